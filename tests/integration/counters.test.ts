/**
 * What a day's meter readings come to in the store: with reconnects, messages sent again, a killed gateway and two gateways
 * on one Redis, nearly everything that was used is told, and nothing twice.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GatewayProcess, startGateway } from "../../tools/stack/gateway-process.ts";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { consentTo, type Device, EVERYTHING, startSystem, type TestSystem } from "../fixtures/system.ts";

const DAY_MS = 86_400_000;
const MINUTES = 24 * 60;
/** kWh a minute: between one and four steps of 0.01. */
const use = (minute: number) => 0.013 + (0.027 * ((minute * 7) % 11)) / 10;

let system: TestSystem;
let other: GatewayProcess | undefined;
beforeAll(async () => {
  system = await startSystem({ mqtt: { clockWindowPastMs: 3 * DAY_MS } });
  other = await startGateway({
    configFile: system.stack.config.file,
    logFile: join(system.stack.dir, "logs", "other.log"),
    env: {
      CONSENTRY_MQTT_TCP_PORT: "0",
      CONSENTRY_HTTP_PORT: "0",
      CONSENTRY_BACKUP_JOURNAL_FILE: join(system.stack.dir, "other.journal"),
    },
  });
});
afterAll(async () => {
  if (other?.running === true) await other.stop();
  await system?.stop();
});

const urlOf = (gateway: GatewayProcess | undefined) => `mqtt://127.0.0.1:${gateway?.port("mqtt-tcp")}`;

/** What the rows of the store tell of a counter, in whole steps. */
async function increments(counter: string, step: number): Promise<number[]> {
  await system.settled();
  const rows = await system.rows("device_status");
  return rows.flatMap(({ [counter]: value }) => (typeof value === "number" ? [Math.round(value / step)] : []));
}

async function told(): Promise<number> {
  return (await increments("energy", 0.01)).reduce((sum, one) => sum + one, 0);
}

test("of a day's use at least 98 % is told, and never more than all of it", async () => {
  const device = await system.device();
  const start = Date.now() - MINUTES * 60_000;
  let total = 4_711.004;
  const first = total;
  for (let minute = 0; minute < MINUTES; ) {
    // A connection for some hours; every third one to the other gateway, and once the first one is killed in between.
    const there = (minute / 240) % 3 === 2;
    if (minute === 720) {
      await system.stack.gateway.kill("SIGKILL");
      await system.stack.startGateway();
    }
    const client = await system.connect(device, {}, there ? urlOf(other) : system.stack.mqttUrl);
    for (const until = minute + 240; minute < until; minute += 1) {
      total += use(minute);
      const payload = JSON.stringify({
        energy: Number(total.toFixed(3)),
        ts: start + minute * 60_000,
        id: `m-${minute}`,
      });
      await client.publishAsync(`devices/${device.id}/status`, payload, { qos: 1 });
      // Its PUBACK was lost: it comes again, and once more out of order.
      if (minute % 97 === 0) await client.publishAsync(`devices/${device.id}/status`, payload, { qos: 1 });
    }
    await disconnectMqtt(client);
  }
  const used = Math.floor(total * 100 + 1e-6) - Math.floor(first * 100 + 1e-6);
  const sum = await told();
  expect(sum / used).toBeGreaterThanOrEqual(0.98);
  expect(sum).toBeLessThanOrEqual(used);
});

test("no total rests in Redis or in the store, and another person is told nothing of the use before", async () => {
  const device: Device = await system.device();
  await system.say(device, { energy: 987_654.321 }, "status");
  await system.say(device, { energy: 987_654.341 }, "status");
  const before = await told();
  await system.stack.api.bind(`${device.subject}-next`, device.id);
  const token = await system.stack.api.issueToken(device.id);
  const next = { ...device, subject: `${device.subject}-next`, token };
  await system.stack.api.consent(next.subject, {
    policyVersion: 1,
    purposes: { analytics: ["status"] },
    method: "app",
    by: "subject",
    language: "en",
    jurisdiction: ["IN"],
  });
  await system.say(next, { energy: 987_664.341 }, "status");
  expect(await told()).toBe(before);
  await system.say(next, { energy: 987_664.361 }, "status");
  expect(await told()).toBe(before + 2);
  const rows = await system.rows("device_status");
  expect(rows.filter(({ energy }) => typeof energy === "number" && energy > 10)).toEqual([]);
});

test("what was used while no one had consented is told to no one, whether the device spoke meanwhile or not", async () => {
  const [silent, loud] = [await system.device(), await system.device()];
  const { api } = system.stack;
  for (const device of [silent, loud]) {
    await system.say(device, { water: 10 }, "status");
    await system.say(device, { water: 10.005 }, "status");
    // What still waits when consent is withdrawn is not stored.
    await system.settled();
    await api.withdraw(device.subject);
  }
  await system.say(loud, { water: 10.105 }, "status");
  for (const device of [silent, loud]) {
    await api.consent(device.subject, consentTo(EVERYTHING));
    await system.say(device, { water: 10.205 }, "status");
    await system.say(device, { water: 10.206 }, "status");
  }
  expect((await increments("water", 0.001)).sort()).toEqual([1, 1, 5, 5]);
});

test("a device that goes between two gateways with totals of each is told once by whichever it is at", async () => {
  const device = await system.device();
  const say = async (url: string, rain: number) => {
    const client = await system.connect(device, {}, url);
    await client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ rain }), { qos: 1 });
    await disconnectMqtt(client);
  };
  const [here, there] = [system.stack.mqttUrl, urlOf(other)];
  // The gateway it comes back to knows a total of before, and what the other one told since must not be told again.
  for (const [url, rain] of [
    [here, 1],
    [here, 1.4],
    [there, 2],
    [there, 2.6],
    [here, 3],
    [here, 3.2],
  ] as const)
    await say(url, rain);
  expect(await increments("rain", 0.2)).toEqual([2, 3, 1]);
});

test("a batch that is dead-lettered and replayed days later tells what it told then, at its own time", async () => {
  const device = await system.device();
  const at = Date.now() - 2 * DAY_MS;
  const minute = (n: number) => at + n * 60_000;
  const say = (gas: number, n: number) => system.say(device, { gas, ts: minute(n), id: `gas-${n}` }, "status");
  const influx = async (path: string, body: string | URLSearchParams) =>
    expect((await fetch(`${system.stack.influxUrl}/${path}`, { method: "POST", body })).ok).toBe(true);
  const { database } = system.stack;
  await say(100, 0);
  // There the field is a text, because someone else says so.
  await influx(`write?db=${database}`, `device_status,device=someone-else gas="x" ${minute(0)}000000`);
  await say(100.05, 1);
  await say(100.08, 2);
  await system.settled();
  await until("they are dead-lettered", async () => (await system.metric("dead_letters")) === 2);
  await influx("query", new URLSearchParams({ db: database, q: "DROP MEASUREMENT device_status" }));
  await say(100.1, 3);
  expect(await increments("gas", 0.01)).toEqual([2]);
  const replayed = await runCommand("dead-letters", ["replay", "all", "--config", system.stack.config.file]);
  expect([replayed.exitCode, replayed.stdout]).toEqual([0, "2 put back into the queue"]);
  await until("they are stored", async () => (await increments("gas", 0.01)).length === 3);
  // The device has not heard that they came, and says one of them again.
  await say(100.08, 2);
  const rows = (await system.rows("device_status")).filter(({ gas }) => typeof gas === "number");
  expect(rows.map(({ time, gas }) => [Math.floor(Number(time) / 1e9), gas])).toEqual(
    [
      [1, 0.05],
      [2, 0.03],
      [3, 0.02],
    ].map(([n = 0, gas]) => [Math.floor(minute(n) / 1000), gas]),
  );
});
