/**
 * Two gateways on one Redis store each place once; and when the one that writes is killed over places that the store has
 * received, the next one takes out what consent does not cover by then.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type GatewayProcess, startGateway } from "../../tools/stack/gateway-process.ts";
import { until } from "../fixtures/eventually.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const STEP_MS = 1_000;
const HERE = { lat: 23.5, lon: 8 };
const THERE = { lat: 23.5, lon: 40 };

let system: TestSystem;
let second: GatewayProcess;
beforeAll(async () => {
  system = await startSystem({}, { placeStepMs: STEP_MS });
  second = await startGateway({
    configFile: system.stack.config.file,
    logFile: join(system.stack.dir, "logs", "second.log"),
    entry: "tools/stack/short-steps.ts",
    env: {
      PLACE_STEP_MS: String(STEP_MS),
      CONSENTRY_MQTT_TCP_PORT: "0",
      CONSENTRY_HTTP_PORT: "0",
      CONSENTRY_BACKUP_JOURNAL_FILE: join(system.stack.dir, "second.journal"),
    },
  });
});
afterAll(async () => {
  process.kill(system.stack.influx.pid, "SIGCONT");
  if (second?.running) await second.stop();
  await system?.stop();
});

const rows = () => system.rows("device_location");

async function writtenBy(gateway: GatewayProcess): Promise<number> {
  const headers = { authorization: `Bearer ${system.stack.config.apiToken}` };
  const text = await (await fetch(`http://127.0.0.1:${gateway.port("http")}/metrics`, { headers })).text();
  return Number(/^consentry_places_total\{outcome="written"\} (\d+)$/m.exec(text)?.[1]);
}

/** More than an empty request has: bytes that the system has taken for the server and the server has not read. */
const OF_A_WRITE = 400;

async function waitsBefore(url: string): Promise<boolean> {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, "0");
  const sockets = (await readFile("/proc/net/tcp", "utf8")).split("\n").map((line) => line.trim().split(/\s+/));
  return sockets.some(([, local = "", , , queues = ""]) => {
    return local.endsWith(`:${port}`) && Number.parseInt(queues.split(":")[1] ?? "0", 16) > OF_A_WRITE;
  });
}

test("two gateways store each place once, wherever it was told", async () => {
  const people = await system.neighbours(HERE, 3);
  const others = await system.devices(3);
  const url = `mqtt://127.0.0.1:${second.port("mqtt-tcp")}`;
  for (const other of others) {
    const client = await system.connect(other, {}, url);
    await client.publishAsync(`devices/${other.id}/location`, JSON.stringify(HERE), { qos: 1 });
  }
  await until("all six are told", async () => (await rows()).length === 6);
  await system.placesWritten();
  expect((await writtenBy(system.stack.gateway)) + (await writtenBy(second))).toBe(people.length + others.length);
});

test("a writer killed over places that the store has received is followed by one that takes out what is uncovered", async () => {
  expect((await second.stop()).code).toBe(0);
  const before = (await rows()).length;
  process.kill(system.stack.influx.pid, "SIGSTOP");
  const [gone] = await system.neighbours(THERE, 6);
  if (gone === undefined) throw new Error("no device");
  const underWay = () => system.redis.hlen("{consentry:places}:under-way");
  await until("some are sent", async () => (await underWay()) > 0);
  // All six, unless a step began in between: then those that were seen first.
  const sent = await underWay();
  // They are noted first, and sent then: the server that stands still has them before it.
  await until("the store has them before it", () => waitsBefore(system.stack.influxUrl));
  await system.stack.gateway.kill("SIGKILL");
  process.kill(system.stack.influx.pid, "SIGCONT");
  await until("the store has applied them", async () => (await rows()).length === before + sent);
  await system.stack.startGateway();
  await system.ready();
  const withdrawn = async () =>
    (await system.stack.api.withdraw(gone.subject).catch(() => ({ drained: false }))).drained;
  await until("the withdrawal is drained", withdrawn);
  await until("nothing is in progress", async () => (await underWay()) === 0);
  await until("the others are told", async () => (await rows()).length === before + 5);
  await system.placesWritten();
  expect(await rows()).toHaveLength(before + 5);
});
