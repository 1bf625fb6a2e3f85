import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { addQueueKey, beginMaster, describeKeys, endMaster, removeKey, replaceBackupKey } from "./changes.ts";
import { readKeys, readRetiredKeys } from "./files.ts";

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "consentry-keys-"));
  dir = join(root, "keys");
  readKeys(dir, { create: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const text = (file: string) => readFileSync(join(dir, file), "utf8").trim();

it("numbers queue keys consecutively, readable only by their owner, up to the last possible name", () => {
  expect([addQueueKey(dir), addQueueKey(dir)]).toEqual(["q0002", "q0003"]);
  expect(statSync(join(dir, "queue", "q0003.key")).mode & 0o777).toBe(0o600);
  expect(readKeys(dir, { create: false }).queue.active).toBe("q0003");
  writeFileSync(join(dir, "queue", "q9999.key"), text("queue/q0003.key"), { mode: 0o600 });
  expect(() => addQueueKey(dir)).toThrow("KEY_INVALID: queue: no name left after the newest");
});

it("replaces the master key in two idempotent steps, and keeps the former one as retired", () => {
  const former = text("master.key");
  beginMaster(dir);
  const next = text("master-next.key");
  beginMaster(dir);
  expect(text("master-next.key")).toBe(next);
  expect(text("master.key")).toBe(former);
  const retired = endMaster(dir);
  expect([text("master.key"), text(`retired/${retired}.key`), existsSync(join(dir, "master-next.key"))]).toEqual([
    next,
    former,
    false,
  ]);
  expect([...readRetiredKeys(dir).keys()]).toEqual([`${retired}.key`]);
  expect(() => endMaster(dir)).toThrow("KEY_INVALID: master-next.key: missing");
  expect(text("master.key")).toBe(next);
  removeKey(dir, retired);
  expect(readRetiredKeys(dir).size).toBe(0);
});

it("continues after a crash right after the former master key got its second name", () => {
  beginMaster(dir);
  const next = text("master-next.key");
  endMaster(dir);
  const retired = readdirSync(join(dir, "retired"));
  // As it was before the last step.
  writeFileSync(join(dir, "master-next.key"), next, { mode: 0o600 });
  writeFileSync(join(dir, "master.key"), text(`retired/${retired[0]}`), { mode: 0o600 });
  endMaster(dir);
  expect([text("master.key"), readdirSync(join(dir, "retired"))]).toEqual([next, retired]);
});

it("lets one process change the files at a time, and continues after one died meanwhile", () => {
  const lock = join(dir, "changing.lock");
  writeFileSync(lock, "another one", { mode: 0o600 });
  for (const change of [addQueueKey, beginMaster, endMaster, replaceBackupKey])
    expect(() => change(dir)).toThrow("KEY_IN_USE: another process changes the key files");
  expect([readdirSync(join(dir, "queue")), readFileSync(lock, "utf8")]).toEqual([["q0001.key"], "another one"]);
  const before = Date.now() / 1_000 - 60;
  utimesSync(lock, before, before);
  expect(addQueueKey(dir)).toBe("q0002");
  expect(readdirSync(dir).filter((name) => name.includes("lock"))).toEqual([]);
});

it("does not repeat for an earlier reader what another process has done since", () => {
  expect([addQueueKey(dir, "q0001"), addQueueKey(dir, "q0001")]).toEqual(["q0002", undefined]);
  beginMaster(dir);
  const wrapping = readKeys(dir, { create: false }).nextMaster;
  endMaster(dir, wrapping);
  expect(() => endMaster(dir, wrapping)).toThrow("KEY_IN_USE");
  // Keys wrapped for one rotation are not under the key of the next.
  beginMaster(dir);
  const master = text("master.key");
  expect(() => endMaster(dir, wrapping)).toThrow("KEY_IN_USE: another rotation");
  expect(text("master.key")).toBe(master);
  expect([removeKey(dir, "q0001"), removeKey(dir, "q0001")]).toEqual([true, false]);
});

it("creates a missing backup key, and replaces an existing one", () => {
  const former = text("backup.key");
  const retired = replaceBackupKey(dir);
  expect(retired).toMatch(/^backup-[0-9a-f]{16}$/);
  expect([text(`retired/${retired}.key`), text("backup.key") === former]).toEqual([former, false]);
  rmSync(join(dir, "backup.key"));
  expect(readKeys(dir, { create: false }).backup).toBeUndefined();
  expect(replaceBackupKey(dir)).toBeUndefined();
  expect(readKeys(dir, { create: false }).backup).toHaveLength(32);
});

it("describes every key without showing any", () => {
  addQueueKey(dir);
  beginMaster(dir);
  const described = describeKeys(dir);
  expect(described.map(({ id }) => id)).toEqual([
    "lookup",
    "pepper",
    "token",
    "receipt",
    "master",
    "master-next",
    "backup",
    "q0001",
    "q0002",
  ]);
  expect(new Set(described.map(({ fingerprint }) => fingerprint)).size).toBe(9);
  const all = JSON.stringify(described);
  for (const file of ["lookup.key", "master.key", "queue/q0002.key"]) {
    for (let at = 0; at + 16 <= 64; at += 1) expect(all).not.toContain(text(file).slice(at, at + 16));
  }
});

it.each(["backup.key", "master-next.key"])(
  "refuses a %s that is weak, open to others or the same as another",
  (file) => {
    writeFileSync(join(dir, file), "00".repeat(32), { mode: 0o600 });
    expect(() => readKeys(dir, { create: false })).toThrow(`KEY_INVALID: ${file}: guessable`);
    writeFileSync(join(dir, file), text("lookup.key"), { mode: 0o600 });
    expect(() => readKeys(dir, { create: false })).toThrow("KEY_INVALID: same key in two files");
    rmSync(join(dir, file));
    writeFileSync(join(dir, file), text("lookup.key"), { mode: 0o644 });
    expect(() => readKeys(dir, { create: false })).toThrow(`KEY_INVALID: ${file}: readable-by-others`);
  },
);
