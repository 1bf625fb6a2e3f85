/**
 * What was acknowledged is stored, exactly once, whatever is killed, stands still or is asked to stop: the
 * gateway three times under load, Redis, InfluxDB. What is not durable yet is not acknowledged.
 * InfluxDB is away for twenty seconds; CONSENTRY_TEST_OUTAGE_MS makes it longer.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { influxRows } from "../../tools/stack/influx-reader.ts";
import { until } from "../fixtures/eventually.ts";
import { Publishers } from "../fixtures/publishers.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const DEVICES = 16;
const WINDOW = 8;
const OUTAGE_MS = Number(process.env.CONSENTRY_TEST_OUTAGE_MS ?? 20_000);
/** After that a command is given up: far more than a busy machine needs for whatever is not given up. */
const COMMAND_MS = 60_000;
/** With so small a heap anything that grows with the backlog ends the process; measured at 170 MB in all. */
const HEAP = ["--max-old-space-size=92", "--max-semi-space-size=8"];
const MAX_RESIDENT_BYTES = 250 * 1024 * 1024;
/** A killed gateway's batches stay locked for some seconds before they are taken again. */
const RECOVERY_MS = 90_000;

let system: TestSystem;
let devices: Device[];
let run = 0;

beforeAll(async () => {
  system = await startSystem(
    { redis: { commandTimeoutMs: COMMAND_MS }, sinks: { breaker: { maxOpenMs: 2_000 } } },
    { nodeArgs: HEAP },
  );
  devices = await system.devices(DEVICES);
});
afterAll(() => system?.stop());

/** Publishes under load while `fault` happens; then everything acknowledged must be there, once. */
async function survives(fault: (publishers: Publishers) => Promise<void>): Promise<void> {
  const publishers = newPublishers();
  await publishers.start();
  await more(publishers, 500);
  await fault(publishers);
  await allStored(publishers);
}

function newPublishers(): Publishers {
  run += 1;
  return new Publishers(system, devices, { run, window: WINDOW, restMs: 20 });
}

async function allStored(publishers: Publishers): Promise<void> {
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

test("the gateway is killed three times under load", { timeout: 240_000 }, async () => {
  await survives(async (publishers) => {
    for (let kill = 0; kill < 3; kill += 1) {
      const exit = await system.stack.gateway.kill("SIGKILL");
      expect(exit.signal).toBe("SIGKILL");
      await system.stack.startGateway();
      await more(publishers, 300);
    }
  });
});

test("Redis is killed under load and comes back with what it had on disk", { timeout: 240_000 }, async () => {
  const { pid } = system.stack.gateway;
  await survives(async (publishers) => {
    await system.stack.redis.kill("SIGKILL");
    await system.stack.redis.start();
    const backAt = performance.now();
    await more(publishers, 300);
    // What was in progress failed at once: no one had to wait until a command is given up.
    expect(performance.now() - backAt).toBeLessThan(COMMAND_MS / 2);
  });
  // No one had to restart the gateway.
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
    const backlog = () => system.metric("backlog_messages");
    while (performance.now() < back || (await backlog()) <= 500) {
      await more(publishers, 100);
      resident = Math.max(resident, await system.residentBytes());
      await pause(250);
    }
    expect(await backlog()).toBeGreaterThan(500);
    await system.stack.influx.start();
  });
  expect(resident).toBeLessThan(MAX_RESIDENT_BYTES);
  expect([system.stack.gateway.running, system.stack.gateway.pid]).toEqual([true, pid]);
});

/**
 * Redis goes on reading and holds back every write: consent can be asked, and nothing can become durable.
 * What was acknowledged then would be lost with the victim.
 */
test.each(["the gateway", "Redis"])(
  "with every write held back nothing is acknowledged, and %s is killed",
  { timeout: 240_000 },
  async (victim) => {
    const publishers = newPublishers();
    const { received } = await system.books();
    // Redis answers nothing more on a connection that has a write waiting, a login of a device neither.
    await publishers.connect();
    await system.redis.call("CLIENT", "PAUSE", "60000", "WRITE");
    await publishers.start();
    const waiting = async () => (await system.books()).received - received >= DEVICES * WINDOW;
    await until("the gateway has everything", waiting);
    expect(publishers.acknowledged.size).toBe(0);
    if (victim === "Redis") {
      await system.stack.redis.kill("SIGKILL");
      await system.stack.redis.start();
    } else {
      await system.stack.gateway.kill("SIGKILL");
      await system.redis.call("CLIENT", "UNPAUSE");
      await system.stack.startGateway();
    }
    await allStored(publishers);
  },
);

test("Redis stands still for longer than a message may wait: nothing is acknowledged, nothing is lost", {
  timeout: 240_000,
}, async () => {
  await survives(async (publishers) => {
    const { refused: before } = await system.books();
    process.kill(system.stack.redis.pid, "SIGSTOP");
    await until("what waited is given up", async () => {
      const { refused } = await system.books();
      return (refused["not-durable"] ?? 0) - (before["not-durable"] ?? 0) >= DEVICES * WINDOW;
    });
    const { size } = publishers.acknowledged;
    process.kill(system.stack.redis.pid, "SIGCONT");
    expect(publishers.acknowledged.size).toBe(size);
  });
});

test("the gateway is asked to stop under load: it ends in time and with success", { timeout: 240_000 }, async () => {
  await survives(async () => {
    const askedAt = performance.now();
    expect(await system.stack.gateway.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(performance.now() - askedAt).toBeLessThan(50_000);
    await system.stack.startGateway();
  });
});

test("the gateway is asked to stop while InfluxDB is away: what it holds goes back into the queue", {
  timeout: 240_000,
}, async () => {
  await survives(async (publishers) => {
    await system.stack.influx.kill("SIGKILL");
    await more(publishers, 300);
    expect(await system.stack.gateway.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    await system.stack.influx.start();
    await system.stack.startGateway();
  });
});
