/**
 * What was acknowledged is stored, exactly once, whatever is killed: the gateway three times under load,
 * Redis, InfluxDB, and the gateway again by an orderly stop.
 * CONSENTRY_TEST_OUTAGE_MS=60000 makes the outage of InfluxDB a full minute.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { influxRows } from "../../simulators/influx-reader.ts";
import { until } from "../fixtures/eventually.ts";
import { Publishers } from "../fixtures/publishers.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const DEVICES = 16;
const OUTAGE_MS = Number(process.env.CONSENTRY_TEST_OUTAGE_MS ?? 12_000);
/** Measured at about 170 MB; a leak or an unbounded buffer goes far past it. */
const MAX_RESIDENT_BYTES = 450 * 1024 * 1024;
/** A killed gateway's batches stay locked for up to 15 s before they are taken up again. */
const RECOVERY_MS = 90_000;

let system: TestSystem;
let devices: Device[];
let run = 0;

beforeAll(async () => {
  system = await startSystem();
  devices = await system.devices(DEVICES);
});
afterAll(() => system?.stop());

/** Publishes under load while `fault` happens; then everything acknowledged must be there, once. */
async function survives(fault: (publishers: Publishers) => Promise<void>): Promise<void> {
  run += 1;
  const publishers = new Publishers(system, devices, { run, window: 8, restMs: 20 });
  await publishers.start();
  await more(publishers, 500);
  await fault(publishers);
  await more(publishers, 500);
  await publishers.stop();
  const books = await system.settled(RECOVERY_MS);
  expect(books.deadLettered).toBe(0);

  const rows = await influxRows(
    system.stack.influxUrl,
    system.stack.database,
    `SELECT run, who, seq FROM device_status WHERE run = ${run}`,
  );
  const stored = new Map<string, number>();
  for (const { who, seq } of rows) stored.set(`${who}/${seq}`, (stored.get(`${who}/${seq}`) ?? 0) + 1);
  const lost = [...publishers.acknowledged].filter((message) => !stored.has(message));
  const twice = [...stored].filter(([, times]) => times > 1);
  expect({ lost, twice }).toEqual({ lost: [], twice: [] });
  expect(publishers.acknowledged.size).toBe(publishers.sent);
  expect(await system.residentBytes()).toBeLessThan(MAX_RESIDENT_BYTES);
}

/** Resolves when that many further messages were acknowledged: the load goes on. */
async function more(publishers: Publishers, count: number): Promise<void> {
  const target = publishers.acknowledged.size + count;
  await until(`${count} more messages are acknowledged`, () => publishers.acknowledged.size >= target);
}

test("the gateway is killed three times under load", { timeout: 180_000 }, async () => {
  await survives(async (publishers) => {
    for (let kill = 0; kill < 3; kill += 1) {
      const exit = await system.stack.gateway.kill("SIGKILL");
      expect(exit.signal).toBe("SIGKILL");
      await system.stack.startGateway();
      await more(publishers, 300);
    }
  });
});

test("Redis is killed under load and comes back with what it had on disk", { timeout: 180_000 }, async () => {
  const { pid } = system.stack.gateway;
  await survives(async () => {
    await system.stack.redis.kill("SIGKILL");
    await system.stack.redis.start();
  });
  // Nobody had to restart the gateway.
  expect([system.stack.gateway.running, system.stack.gateway.pid]).toEqual([true, pid]);
});

test("InfluxDB is away for a while: publishing goes on, and everything arrives later", {
  timeout: 240_000,
}, async () => {
  const { pid } = system.stack.gateway;
  let resident = 0;
  await survives(async (publishers) => {
    await system.stack.influx.kill("SIGKILL");
    const back = performance.now() + OUTAGE_MS;
    while (performance.now() < back) {
      await more(publishers, 100);
      resident = Math.max(resident, await system.residentBytes());
      await pause(250);
    }
    expect(await system.metric("backlog_messages")).toBeGreaterThan(500);
    await system.stack.influx.start();
  });
  expect(resident).toBeLessThan(MAX_RESIDENT_BYTES);
  expect([system.stack.gateway.running, system.stack.gateway.pid]).toEqual([true, pid]);
});

test("the gateway is asked to stop under load: it ends in time and with success", { timeout: 180_000 }, async () => {
  await survives(async () => {
    const askedAt = performance.now();
    expect(await system.stack.gateway.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(performance.now() - askedAt).toBeLessThan(15_000);
    await system.stack.startGateway();
  });
});
