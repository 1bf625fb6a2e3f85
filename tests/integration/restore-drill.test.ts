/**
 * The drill: back up, go on living, lose Redis, restore. Anyone who was erased in between stays erased, anyone who
 * withdrew stays withdrawn, everyone else goes on under the same names; and nothing raw is in any archive.
 */
import { copyFile, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { leakScan } from "../../simulators/leak-scan.ts";
import { Keyring } from "../../src/deidentify/keyring.ts";
import type { DeviceId, DeviceKey, SubjectId, SubjectTag } from "../../src/model/ids.ts";
import { type Keys, readKeys } from "../../src/platform/keys/files.ts";
import { Lookup } from "../../src/platform/keys/lookup.ts";
import { archiveLines, keysLine, subjectArchiveKey } from "../../src/rights/backup/archive.ts";
import { Canaries } from "../fixtures/canaries.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, marks, startSystem, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000 });

const canaries = new Canaries();
let system: TestSystem;
let keys: Keys;
let lookup: Lookup;
let out: string;

beforeAll(async () => {
  system = await startSystem({
    properties: [marks("stays", "erased", "withdrawn", "again", "never", "anew")],
    sinks: { influx: { timeoutMs: 900 } },
    erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 300 },
    backup: { everyHours: 1 },
  });
  keys = readKeys(join(system.stack.dir, "keys"), { create: false });
  lookup = new Lookup(keys.lookup);
  out = join(system.stack.dir, "out");
});
afterAll(() => system?.stop());

async function home(): Promise<Device> {
  const id = canaries.text("device-id", "device");
  const device = await system.device({ id, subject: canaries.text("subject-id", "subject") });
  canaries.add("token", device.token);
  return device;
}

function run(program: string, ...args: string[]) {
  return runCommand(program, [...args, "--config", system.stack.config.file]);
}

async function archives(): Promise<{ from: string; keys: string }> {
  const files = (await readdir(out)).sort().map((name) => join(out, name));
  const of = (kind: string) => files.filter((file) => file.endsWith(kind)).at(-1) ?? "none";
  return { from: of(".records"), keys: of(".subject-keys") };
}

/** Names under which rows with this mark are stored. */
async function namesOf(mark: string): Promise<unknown[]> {
  const rows = await system.rows("device_status");
  return [...new Set(rows.filter((row) => row.mark === mark).map((row) => row.device))];
}

const tagOf = (device: Device): SubjectTag => lookup.subjectTag(device.subject as SubjectId);
const keyOf = (device: Device): DeviceKey => lookup.deviceKey(device.id as DeviceId);
const wrappedKey = (device: Device) => system.redis.hget(`consentry:{${tagOf(device)}}:subject`, "key");

async function say(device: Device, mark: string): Promise<void> {
  await system.say(device, { ...canaries.message(), status: { mark } });
}

/** Every pseudonym that these keys can still make for this device, over some weeks. */
function namesUnder(wrappedKeys: readonly string[], device: Device): string[] {
  const keyring = new Keyring({ masterKey: keys.master, pepper: keys.pepper });
  const epoch = Math.floor(Date.now() / (7 * 86_400_000));
  return wrappedKeys.flatMap((wrapped) =>
    [epoch - 1, epoch, epoch + 1].map((at) => keyring.pseudonym(wrapped, keyOf(device), "analytics", at)),
  );
}

/** With the keys in Redis. */
async function makeableNames(device: Device): Promise<string[]> {
  const found: string[] = [];
  for (const hash of await system.redis.keys("consentry:{*}:*")) {
    const wrapped = (await system.redis.type(hash)) === "hash" ? await system.redis.hget(hash, "key") : null;
    if (wrapped !== null) found.push(wrapped);
  }
  return namesUnder(found, device);
}

/** With an archive of subject keys and the key files. */
async function namesFromArchive(file: string, device: Device): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of archiveLines(file, subjectArchiveKey(keys.master), keysLine)) found.push(key);
  return namesUnder(found, device);
}

test("erased and withdrawn since the backup stay so, the others keep names and consent, and no canary is anywhere", async () => {
  const [stays, erased, withdrawn] = [await home(), await home(), await home()];
  for (const device of [stays, erased, withdrawn])
    await say(device, device === stays ? "stays" : device === erased ? "erased" : "withdrawn");
  await system.settled();
  const [name] = await namesOf("stays");
  const [lost = "none"] = (await namesOf("erased")) as string[];
  expect(await makeableNames(erased)).toContain(lost);

  const taken = await run("backup", "--out", out);
  expect([taken.exitCode, taken.stderr, taken.stdout.split("\n")[0]]).toEqual([0, "", "3 subjects, 3 devices"]);
  const { from, keys } = await archives();
  const scheduled = join(system.stack.dir, "backups");
  // As if the gateway had taken it, with nothing but this one in its folder.
  const own = join(scheduled, basename(keys));
  for (const name of await readdir(scheduled)) if (name.endsWith(".subject-keys")) await rm(join(scheduled, name));
  await copyFile(keys, own);
  expect(await namesFromArchive(own, erased)).toContain(lost);

  await system.erase(erased.subject);
  await system.stack.api.withdraw(withdrawn.subject);
  const beside = await run("restore", "--from", from, "--keys", keys, "--replace");
  expect([beside.exitCode, beside.stderr]).toEqual([1, expect.stringContaining("RESTORE_REFUSED: gateway-running")]);

  // Redis is lost, files and all; what is left are key files, archives and the journal.
  await system.stack.gateway.stop();
  await system.redis.flushall();
  const dry = await run("restore", "--from", from, "--keys", keys, "--dry-run");
  expect([dry.exitCode, await system.redis.dbsize()]).toEqual([0, 0]);
  const restored = await run("restore", "--from", from, "--keys", keys);
  expect([restored.exitCode, restored.stderr]).toEqual([0, ""]);
  expect(restored.stdout).toMatch(/subjects {11}3, 2 keys[\s\S]*erased since {7}1[\s\S]*withdrawn {10}1/);
  await system.stack.startGateway();

  await say(stays, "again");
  for (const device of [erased, withdrawn]) await say(device, "never");
  const books = await system.settled();
  expect(books.refused["consent-withdrawn"]).toBe(2);
  expect(await namesOf("again")).toEqual([name]);
  expect([await namesOf("erased"), await namesOf("never")]).toEqual([[], []]);
  expect(await wrappedKey(erased)).toBeNull();
  expect(await makeableNames(erased)).not.toContain(lost);

  // Consent given again begins under another key.
  await system.stack.api.consent(erased.subject, {
    policyVersion: 1,
    purposes: { analytics: ["status"] },
    method: "app",
    by: "subject",
    language: "en",
    jurisdiction: ["IN"],
  });
  await say(erased, "anew");
  await system.settled();
  expect(await namesOf("anew")).not.toContain(lost);
  expect(await makeableNames(erased)).not.toContain(lost);

  // Neither can the archive in the backup folder tell its names, with every key there is; the others' it can.
  await until("the archive is sealed again", async () => !(await namesFromArchive(own, erased)).includes(lost));
  expect(await namesFromArchive(own, stays)).toContain(name);
  // The canaries are nowhere at all.
  const scan = await leakScan({ ...system.stack.leakScanPlaces(), canaries: canaries.all });
  expect(scan.leaks).toEqual([]);
  expect(scan.scannedBytes).toBeGreaterThan(100_000);
});

test("the gateway takes backups by itself, tells their age, and records what was done", async () => {
  const dir = join(system.stack.dir, "backups");
  await until(
    "the first backup is there",
    async () => (await readdir(dir)).filter((file) => file.endsWith(".records")).length === 1,
  );
  await until("its age is told", async () => {
    const age = await system.metric("backup_age_seconds");
    return age > 0 && age < 600;
  });
  const audit = await run("audit", "list");
  expect(audit.stdout).toMatch(/backup .*by=gateway/);
  expect(audit.stdout).toMatch(/restore .*by=operator.*erased=1/);
});

test("a gateway does not start on a restore that was interrupted", async () => {
  await system.stack.gateway.stop();
  await system.redis.set("{consentry:gateways}:restore", JSON.stringify({ id: "x", untilMs: 0, swapping: true }));
  await expect(system.stack.startGateway()).rejects.toThrow("RESTORE_UNFINISHED");
  const { from, keys } = await archives();
  expect((await run("restore", "--from", from, "--keys", keys)).stderr).toContain("RESTORE_REFUSED: not-empty");
  expect((await run("restore", "--from", from, "--keys", keys, "--replace")).exitCode).toBe(0);
  await system.stack.startGateway();
});

test("wrong use is answered with the usage", async () => {
  const wrong = await Promise.all([
    run("backup"),
    run("restore", "--from", "a", "--journal", "b", "--journal-lost"),
    run("restore", "--form", "a"),
  ]);
  for (const { exitCode, stderr } of wrong) expect([exitCode, stderr.split(" ")[0]]).toEqual([2, "Usage:"]);
  const { exitCode, stderr } = await run("restore", "--from", join(out, "no-such.records"));
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("ARCHIVE_INVALID: unreadable")]);
});
