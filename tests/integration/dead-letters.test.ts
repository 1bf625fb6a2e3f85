/**
 * A message that the store refuses is dead-lettered, sealed, and costs its neighbours nothing. An operator
 * sees what kind of message it is and never what it says, can have it tried again once the cause is gone,
 * and finds nothing any more of a person who has withdrawn.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { refuseNumbers } from "../fixtures/refused-field.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const LETTERS = "{consentry:queue}:dead-letters";
/** A number that only one message holds. */
const SECRET = 314_159_265_358_979;
const REFUSED = "co2";

let system: TestSystem;
let first: Device;

beforeAll(async () => {
  system = await startSystem();
  first = await system.device();
});
afterAll(() => system?.stop());

/** A field that the store takes as a text only, whatever the gateway does. */
beforeEach(async () => {
  await dropped("device_status");
  await system.say(first, { status: { power_on: true } });
  await system.settled();
  await refuseNumbers(system.stack.influxUrl, system.stack.database, REFUSED);
});

async function dropped(measurement: string): Promise<void> {
  const body = new URLSearchParams({ db: system.stack.database, q: `DROP MEASUREMENT ${measurement}` });
  expect((await fetch(`${system.stack.influxUrl}/query`, { method: "POST", body })).ok).toBe(true);
}

async function run(...args: string[]): Promise<string[]> {
  const { exitCode, stdout, stderr } = await runCommand("dead-letters", [
    ...args,
    "--config",
    system.stack.config.file,
  ]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return stdout.split("\n");
}

/** Messages of a device that the store refuses, in one batch with messages of a neighbour that are in order. */
async function conflict(device: Device, count = 1): Promise<void> {
  const neighbour = await system.device();
  const [bad, good] = await Promise.all([system.connect(device), system.connect(neighbour)]);
  const before = await system.books();
  const publishing = Array.from({ length: 20 }, (_, seq) =>
    good.publishAsync(`devices/${neighbour.id}/status`, JSON.stringify({ power_on: true, seq }), { qos: 1 }),
  );
  for (let index = 0; index < count; index += 1) {
    const status = { [REFUSED]: 500 + 10 * index, seq: SECRET, open: true };
    publishing.push(
      bad.publishAsync(`devices/${device.id}/telemetry`, JSON.stringify({ model: "HB-1", status }), { qos: 1 }),
    );
  }
  await Promise.all(publishing);
  const books = await system.settled();
  expect(books.stored - before.stored).toBe(20);
  expect(books.deadLettered - before.deadLettered).toBe(count);
}

test("it is dead-lettered and its neighbours are stored; list and inspect say nothing of what it holds", async () => {
  const device = await system.device();
  await conflict(device, 2);
  await until("the gauge shows them", async () => (await system.metric("dead_letters")) === 2);
  const stored = await system.redis.hgetall(LETTERS);
  for (const letter of Object.values(stored)) {
    expect(Object.keys(JSON.parse(letter) as object).sort()).toEqual([
      "at",
      "deviceKey",
      "messages",
      "reason",
      "sealed",
      "subjectTag",
    ]);
  }

  const listed = await run("list");
  expect(listed).toHaveLength(2);
  for (const line of listed)
    expect(line).toMatch(/^[0-9a-f]{24} {2}\d{4}-\d\d-\d\dT[\d:.]+Z {2}sink-rejected {2}1 message$/);
  const [id = ""] = listed[0]?.split(" ") ?? [];
  const inspected = (await run("inspect", id)).join("\n");
  expect(inspected).toContain(
    '{"fields":["model","status"],"statusKeys":{"co2":"number","seq":"number","open":"boolean"}}',
  );
  for (const secret of [String(SECRET), device.id, device.subject, "HB-1"]) {
    expect(`${listed.join("\n")}${inspected}`).not.toContain(secret);
    expect(JSON.stringify(stored)).not.toContain(secret);
  }
  expect(await run("purge", "all")).toEqual(["2 removed"]);
  expect(await run("list")).toEqual(["no dead letters"]);
});

test("tried again before the cause is gone it is dead-lettered again; afterwards it is stored", async () => {
  await conflict(await system.device());
  expect(await run("replay", "all")).toEqual(["1 put back into the queue"]);
  await until("it is dead-lettered again", async () => (await system.redis.hlen(LETTERS)) === 1);
  await system.settled();

  await dropped("device_status");
  expect(await run("replay", "all")).toEqual(["1 put back into the queue"]);
  await until("it is stored", async () => (await system.rows("device_status")).length === 1);
  const [row = {}] = await system.rows("device_status");
  expect(row).toMatchObject({ seq: SECRET, open: true, model: "hub" });
  expect(Object.values(row)).toContain(500);
  await system.settled();
  expect(await run("list")).toEqual(["no dead letters"]);
});

test("a withdrawal takes it away, and of what is replayed at that moment nothing is stored", async () => {
  const [gone, other] = [await system.device(), await system.device()];
  await conflict(gone);
  await conflict(other);
  const letters = await system.redis.hgetall(LETTERS);
  expect(Object.keys(letters)).toHaveLength(2);
  await system.stack.api.withdraw(gone.subject);
  const left = await system.redis.hgetall(LETTERS);
  expect(Object.keys(left)).toHaveLength(1);
  expect(await system.redis.keys(`${LETTERS}:*`)).toHaveLength(1);

  // An operator whose copy of the list is older puts the letter back: consent is asked again.
  const [stale = ""] = Object.keys(letters).filter((id) => !(id in left));
  await system.redis.hset(LETTERS, stale, letters[stale] ?? "");
  await dropped("device_status");
  const refusedBefore = (await system.books()).refused["consent-withdrawn"] ?? 0;
  expect(await run("replay", "all")).toEqual(["2 put back into the queue"]);
  await until("the other one is stored", async () => (await system.rows("device_status")).length === 1);
  const books = await system.settled();
  expect((books.refused["consent-withdrawn"] ?? 0) - refusedBefore).toBe(1);
  expect(await system.rows("device_status")).toHaveLength(1);
});

test("a message that ends the process is dead-lettered only while its person consents", async () => {
  const [gone, stays] = [await system.device(), await system.device()];
  await system.stack.influx.kill("SIGKILL");
  await system.say(gone, { status: { seq: 1 } });
  await system.say(stays, { status: { seq: 2 } });
  expect(await system.queuedJobs()).toBe(2);
  // From then on nothing is settled before the store has answered, not even what consent no longer covers.
  await until("the circuit is open", async () => (await system.metric("breaker_open")) === 1);
  await system.stack.api.withdraw(gone.subject);
  await system.stack.gateway.kill("SIGKILL");
  // As if the process had ended with each of them again and again.
  for (const id of await system.redis.lrange("{consentry:queue}:batches:active", 0, -1)) {
    await system.redis.hset(`{consentry:queue}:batches:${id}`, "progress", "100");
  }
  await system.stack.influx.start();
  await system.stack.startGateway();
  const { refused, deadLettered } = await system.settled(90_000);
  expect([refused["consent-withdrawn"], deadLettered]).toEqual([1, 1]);
  expect((await run("list")).map((line) => line.split("  ")[2])).toEqual(["poison"]);
  await run("purge", "all");
});

test("wrong use is answered with the usage and an exit code", async () => {
  for (const args of [[], ["destroy"], ["replay"]]) {
    const { exitCode, stderr } = await runCommand("dead-letters", args);
    expect([exitCode, stderr.split("\n")[0]]).toEqual([2, expect.stringContaining("Usage:")]);
  }
});
