/**
 * An installation of the version before the schema number: it has stored, queued, dead-lettered and backed up what devices said
 * in their own words. Nothing of this version starts on it and nothing of it on this one; the upgrade takes it over, killed in the middle
 * and begun again; and what it then holds of a person can be exported, withdrawn and erased to the last row.
 */
import { createDecipheriv } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readKeys } from "../../src/platform/keys/files.ts";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { builtProgram } from "../../tools/stack/built-program.ts";
import { influxRows } from "../../tools/stack/influx-reader.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { startFormerSystem } from "../fixtures/former-version/former-system.ts";
import { runFormerCommand } from "../fixtures/former-version/former-version.ts";
import { refuseNumbers } from "../fixtures/refused-field.ts";
import { type Device, name, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const keyspace = keyspaceOf("consentry");
/** What no vocabulary knows, and what no one should find again. */
const SECRET = "the-blue-elephant";
const TOTAL = 4711.25;
const WORDS = { note: SECRET, mood: "fine", energy: TOTAL, temperature: 21.5, power_on: true };
const HOME = { lat: 12.9716, lon: 77.5946 };

let system: TestSystem;
let queued: Device;
let aside: Device;
let held: Device;
let stays: Device;
let out: string;

beforeAll(async () => {
  system = await startFormerSystem();
  out = join(system.stack.dir, "out");
  [queued, aside, held, stays] = [
    await system.device(),
    await system.device(),
    await system.device(),
    await system.device(),
  ];
});
afterAll(() => system?.stop());

const ours = (program: string, ...args: string[]) =>
  runCommand(program, [...args, "--config", system.stack.config.file]);
const former = (program: Parameters<typeof runFormerCommand>[0], ...args: string[]) =>
  runFormerCommand(program, ...args, "--config", system.stack.config.file);
const start = async () =>
  execa(process.execPath, [await builtProgram("src/main.ts"), "--config", system.stack.config.file], { reject: false });
const fields = async () =>
  (await influxRows(system.stack.influxUrl, system.stack.database, "SHOW FIELD KEYS")).map(({ fieldKey }) => fieldKey);
const nobodyLive = async () => (await system.redis.zcount(keyspace.gateways, Date.now(), "+inf")) === 0;
const letters = async () => Object.values(await system.redis.hgetall(keyspace.deadLetters));

async function batches(): Promise<string[]> {
  const names = await system.redis.keys(`${keyspace.queuePrefix}:${keyspace.queueName}:b*`);
  const data = await Promise.all(
    names.map(async (job) => ((await system.redis.type(job)) === "hash" ? system.redis.hget(job, "data") : null)),
  );
  return data.filter((text) => text !== null);
}

/** What a seal holds, opened with the key file alone. */
function opened(text: string): string {
  const { k, s, v = 1 } = (JSON.parse(text).sealed ?? JSON.parse(text)) as { k: string; s: string; v?: number };
  const { queue } = readKeys(join(system.stack.dir, "keys"), { create: false });
  const bytes = Buffer.from(s, "base64");
  const decipher = createDecipheriv("aes-256-gcm", queue.all.get(k) ?? Buffer.alloc(32), bytes.subarray(0, 12));
  decipher.setAAD(Buffer.from(`consentry batch v${v} ${k}`));
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString();
}

test("the former version stores, queues, dead-letters and backs up what devices say in their own words", async () => {
  for (const device of [queued, aside, held, stays])
    await system.say(device, { model: "HB-200", location: HOME, status: { ...WORDS, level: "high", shade: "dark" } });
  await system.settled();
  // The names say a type, since the first device to write gave the field another one.
  await system.say(stays, { status: { level: 7 } });
  await system.settled();
  await refuseNumbers(system.stack.influxUrl, system.stack.database, "shade");
  await system.say(aside, { status: { ...WORDS, shade: 5 } });
  await system.say(held, { status: { ...WORDS, shade: 5 } });
  await until("they are dead-lettered", async () => (await letters()).length === 2);
  const taken = await former("backup", "--out", out);
  expect([taken.exitCode, taken.stderr]).toEqual([0, ""]);

  const live = await start();
  expect([live.exitCode, live.stderr]).toEqual([1, expect.stringContaining("SCHEMA_DIFFERS: a gateway of an older")]);
  const beside = await ours("upgrade", "--yes");
  expect([beside.exitCode, beside.stderr]).toEqual([1, expect.stringContaining("UPGRADE_REFUSED: gateway-running")]);

  // Acknowledged, and not stored when the process ends.
  await system.stack.influx.kill("SIGKILL");
  await system.say(queued, { model: "HB-200", status: WORDS });
  await system.say(queued, { status: { note: SECRET, energy: TOTAL } });
  const early = await ours("upgrade", "--yes");
  expect([early.exitCode, early.stderr]).toEqual([1, expect.stringContaining("SINK_UNAVAILABLE")]);
  await system.stack.gateway.kill("SIGKILL");
  await system.stack.influx.start();

  expect((await batches()).map(opened).join()).toContain(SECRET);
  expect((await letters()).map(opened).join()).toContain(SECRET);
  expect(await fields()).toEqual(expect.arrayContaining(["note", "mood", "energy", "level", "level.number"]));
  expect(await system.redis.get(keyspace.schema)).toBeNull();
});

test("nothing of this version works on it, and one word says what to do", async () => {
  await until("the one that was killed counts as working no more", nobodyLive);
  for (const refused of [
    await start(),
    await ours("dead-letters", "replay", "all"),
    await ours("restore", "--from", await archive("records"), "--replace"),
    await ours("backup", "--out", join(system.stack.dir, "other")),
    await ours("retention"),
  ])
    expect([refused.exitCode, refused.stderr]).toEqual([
      1,
      expect.stringContaining("SCHEMA_DIFFERS: redis holds schema 1, this version 3: run npm run upgrade"),
    ]);
  expect(await system.redis.get(keyspace.schema)).toBeNull();
});

async function archive(kind: string): Promise<string> {
  return join(out, (await readdir(out)).find((file) => file.endsWith(kind)) ?? "none");
}

test("a dry run tells what would be done and does nothing of it", async () => {
  const before = [await batches(), await letters(), await system.rows("device_status")];
  const dry = await ours("upgrade", "--dry-run");
  expect([dry.exitCode, dry.stderr]).toEqual([0, ""]);
  expect(dry.stdout).toMatch(
    /would upgrade to schema 3\n[\s\S]*batches sealed again {7}2\n[\s\S]*to be deleted \(\d+\)/,
  );
  expect([await batches(), await letters(), await system.rows("device_status")]).toEqual(before);
  expect([await system.redis.get(keyspace.schema), await system.redis.get(keyspace.barrier)]).toEqual([null, null]);
  expect((await ours("upgrade")).exitCode).toBe(2);
});

test("killed in the middle it has let neither version in, and begun again it comes to its end", async () => {
  const program = await builtProgram("src/commands/upgrade.ts");
  const killed = execa(process.execPath, [program, "--yes", "--config", system.stack.config.file], { reject: false });
  await until("it has begun", async () => (await system.redis.exists(keyspace.barrier)) === 1);
  killed.kill("SIGKILL");
  await killed;
  expect(await system.redis.get(keyspace.schema)).toBeNull();
  expect((await start()).stderr).toContain("SCHEMA_DIFFERS");
  const gateway = await former("gateway");
  expect([gateway.exitCode, gateway.stderr]).toEqual([1, expect.stringContaining("RESTORE_UNFINISHED")]);

  // The sign of the one that was killed runs out by itself.
  let done = await ours("upgrade", "--yes");
  await until(
    "it is done",
    async () => {
      if (done.exitCode !== 0) done = await ours("upgrade", "--yes");
      return done.exitCode === 0;
    },
    60_000,
  );
  expect([done.stderr, await system.redis.get(keyspace.schema)]).toEqual(["", "3"]);
  expect((await ours("upgrade", "--yes")).stdout).toContain("nothing to do: schema 3");
});

test("what rests now is of the vocabulary, without totals; in the store there is not even a name", async () => {
  const rest = [...(await batches()).map(opened), ...(await letters()).map(opened)].join();
  expect(rest).toContain('"temperature":21.5');
  for (const gone of [SECRET, String(TOTAL), "energy", "mood", "note", "level", "shade"])
    expect(rest).not.toContain(gone);
  expect((await batches()).length + (await letters()).length).toBe(4);
  for (const text of [...(await batches()), ...(await letters())]) expect(text).toContain('"v":3');
  expect(await fields()).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/note|mood|energy|level|shade|cell$/)]),
  );
  expect(await system.rows("device_status")).toEqual([]);
  expect(await system.rows("device_location")).toEqual([]);
  const audit = await ours("audit", "list");
  expect(audit.stdout).toMatch(/schema-upgraded {2}done/);
  expect((await ours("audit", "verify")).exitCode).toBe(0);
});

test("the former version stays out, its restore too", async () => {
  const gateway = await former("gateway");
  expect([gateway.exitCode, gateway.stderr]).toEqual([1, expect.stringContaining("RESTORE_UNFINISHED")]);
  const restore = await former("restore", "--from", await archive("records"), "--replace");
  expect([restore.exitCode, restore.stderr]).toEqual([1, expect.stringContaining("RESTORE_REFUSED: restore-running")]);
});

test("what waited is stored, what was dead-lettered can be replayed, and consent counts as before", async () => {
  await system.stack.startGateway();
  await until("the queue is empty", async () => (await system.queuedJobs()) === 0);
  await until("it is stored", async () => (await system.rows("device_status")).length === 1);
  expect(await ours("dead-letters", "replay", "all")).toMatchObject({ exitCode: 0, stderr: "" });
  await until("they are stored", async () => (await system.rows("device_status")).length === 3);
  const rows = await system.rows("device_status");
  for (const row of rows) expect(row).toMatchObject({ temperature: 21.5, power_on: true });
  expect(JSON.stringify(rows)).not.toMatch(/note|mood|energy|level|shade/);
  await system.say(stays, { model: "HB-200", location: HOME, status: { temperature: 19, power_on: false } });
  await until("it is stored", async () => (await system.rows("device_status")).length === 4);
});

test("it is exported, withdrawn and erased to the last row, and the receipt verifies", async () => {
  const text = await exported(queued.subject);
  expect(text).toContain('"temperature":21.5');
  expect(text).not.toContain(SECRET);
  await system.stack.api.withdraw(queued.subject);
  for (const device of [queued, aside, held, stays]) await erase(device);
  expect(await system.rows("device_status")).toEqual([]);
  expect(await system.rows("device_location")).toEqual([]);
  expect(await letters()).toEqual([]);
});

async function exported(subject: string): Promise<string> {
  const response = await fetch(`${system.stack.httpUrl}/v1/subjects/${encodeURIComponent(subject)}/export`, {
    headers: { authorization: `Bearer ${system.stack.config.apiToken}` },
  });
  expect(response.status).toBe(200);
  return response.text();
}

async function erase({ subject }: Device): Promise<void> {
  const { api } = system.stack;
  const status = await system.erase(subject);
  const files = { receipt: join(system.stack.dir, `${name("receipt")}.json`), key: join(system.stack.dir, "key.json") };
  await writeFile(files.receipt, JSON.stringify(status.receipt));
  await writeFile(files.key, JSON.stringify(await api.call("GET", "/v1/keys/receipt", [])));
  expect(await runCommand("receipt", ["verify", files.receipt, "--key", files.key])).toMatchObject({
    exitCode: 0,
    stderr: "",
  });
  expect(status?.receipt?.receipt).toMatchObject({ keyDestroyed: true, sinks: [{ verified: true }] });
}

test("the former version's archive brings no one back who was erased since", async () => {
  await system.stack.gateway.stop();
  await until("no one counts as working", nobodyLive);
  const restored = await ours(
    "restore",
    ...["--from", await archive("records"), "--keys", await archive("subject-keys"), "--replace"],
  );
  expect([restored.exitCode, restored.stderr]).toEqual([0, ""]);
  expect(restored.stdout).toMatch(/subjects {11}4, 0 keys[\s\S]*erased since {7}4/);
  expect(await readFile(await archive("records"), "latin1")).not.toContain('"schema"');
});
