import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Log } from "../../model/log.ts";
import { addQueueKey, beginMaster, endMaster, removeKey } from "./changes.ts";
import { readKeys } from "./files.ts";
import { LiveKeys } from "./live-keys.ts";

let root: string;
let dir: string;
let lines: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "consentry-live-"));
  dir = join(root, "keys");
  lines = [];
});
afterEach(() => rmSync(root, { recursive: true }));

const note = (event: string) => void lines.push(event);
const log: Log = { info: note, warn: note, error: note };
const gateway = (sealedLateMs = 60_000) => new LiveKeys({ dir, sealedLateMs }, readKeys(dir, { create: true }), log);

/** One heartbeat of every gateway. */
function beat(...all: readonly LiveKeys[]): void {
  const reports = all.map((one) => one.report());
  for (const one of all) one.settle(reports);
}

describe("queue keys", () => {
  it("open as soon as they are read, and seal once every gateway has read them", () => {
    const [one, other] = [gateway(), gateway()];
    expect(addQueueKey(dir)).toBe("q0002");
    one.reload();
    beat(one, other);
    expect([one.queue.active, one.queue.all.has("q0002"), other.queue.all.has("q0002")]).toEqual([
      "q0001",
      true,
      false,
    ]);
    other.reload();
    beat(one, other);
    expect([one.queue.active, other.queue.active]).toEqual(["q0002", "q0002"]);
  });

  it("do not seal while another gateway holds another key of the same name", () => {
    const one = gateway();
    addQueueKey(dir);
    one.reload();
    const report = one.report();
    one.settle([report, { ...report, queue: { ...report.queue, q0002: "0".repeat(16) } }]);
    expect(one.queue.active).toBe("q0001");
  });

  it("are reported as sealing as long as a batch may arrive late", () => {
    const [slow, quick] = [gateway(60_000), gateway(0)];
    addQueueKey(dir);
    for (const one of [slow, quick]) one.reload();
    beat(slow, quick);
    expect([slow.report().sealing, quick.report().sealing]).toEqual([["q0002", "q0001"], ["q0002"]]);
  });

  it("are reloaded when a seal names an unknown one, and dropped when their file is gone", () => {
    const one = gateway();
    addQueueKey(dir);
    one.queue.lookAgain();
    expect(one.queue.all.has("q0002")).toBe(true);
    beat(one);
    removeKey(dir, "q0001");
    one.reload();
    expect([...one.queue.all.keys()]).toEqual(["q0002"]);
    removeKey(dir, "q0002");
    one.reload();
    expect([...one.queue.all.keys()]).toEqual(["q0002"]);
    expect(lines).toContain("changed keys not reloaded");
  });
});

describe("the master key", () => {
  it("unwraps under both during a rotation, and wraps under the next one once every gateway has it", () => {
    const [one, other] = [gateway(), gateway()];
    const former = one.subjects.masterKey;
    beginMaster(dir);
    beginMaster(dir);
    const { nextMaster } = readKeys(dir, { create: false });
    one.reload();
    beat(one, other);
    expect(one.subjects.masterKey).toEqual(former);
    expect(one.subjects.otherMasterKeys).toEqual([nextMaster]);
    other.reload();
    beat(one, other);
    for (const each of [one, other]) {
      expect(each.subjects.masterKey).toEqual(nextMaster);
      expect(each.subjects.otherMasterKeys).toEqual([former]);
    }
    endMaster(dir);
    one.reload();
    expect(one.subjects.masterKey).toEqual(nextMaster);
    expect(one.subjects.otherMasterKeys).toEqual([]);
  });
});

it("never changes lookup, pepper and token keys under a running gateway", () => {
  const one = gateway();
  const { pepper } = one.subjects;
  const other = readKeys(join(root, "other"), { create: true });
  writeFileSync(join(dir, "pepper.key"), other.pepper.toString("hex"));
  one.reload();
  expect(one.subjects.pepper).toEqual(pepper);
  expect(lines).toEqual(["a key that must not change was changed; the old value is used until a restart"]);
});

it("keeps its keys when a file becomes readable by others or the directory disappears", () => {
  const one = gateway();
  const { active } = one.queue;
  writeFileSync(join(dir, "queue", "q0002.key"), "ab".repeat(32), { mode: 0o644 });
  one.reload();
  rmSync(dir, { recursive: true });
  one.reload();
  expect([one.queue.active, [...one.queue.all.keys()]]).toEqual([active, ["q0001"]]);
  expect(lines).toEqual(["changed keys not reloaded", "changed keys not reloaded"]);
});
