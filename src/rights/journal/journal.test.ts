import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AuditHead } from "../../model/audit.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { JournalHead } from "../../model/journal-head.ts";
import { journalKey, parseLine } from "./format.ts";
import { ErasureJournal } from "./journal.ts";
import { readJournals } from "./reading.ts";

const key = journalKey(randomBytes(32));
const tag = (letter: string) => letter.repeat(22) as SubjectTag;
const device = (letter: string) => letter.repeat(22) as DeviceKey;
const MAC = "m".repeat(43);
const ERASURE = "7d3c0a58-3a1c-4b6e-9f55-0c1d2e3f4a5b";

let root: string;
let file: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "consentry-journal-"));
  file = join(root, "deep", "erasures.journal");
});
afterEach(() => rmSync(root, { recursive: true }));

async function journal(work: (journal: ErasureJournal) => Promise<unknown>): Promise<void> {
  const opened = new ErasureJournal(file, key);
  await opened.start(mayBegin);
  await work(opened);
  await opened.stop();
}

const mayBegin = async () => true;
const from = (sinceMs: number, anchors: readonly JournalHead[] = []) => ({ key, sinceMs, anchors });
const lines = () => readFileSync(file, "utf8").trimEnd().split("\n");
const rewrite = (changed: readonly string[]) => writeFileSync(file, `${changed.join("\n")}\n`);

it("finds the token issued last, in any order of the journals", async () => {
  const other = `${file}.other`;
  const issued = (number: number, mac: string) => ({ what: "token-issued", device: device("d"), mac, number }) as const;
  await journal(async (one) => {
    await one.record(issued(2, MAC), 200);
  });
  const late = new ErasureJournal(other, key);
  await late.start(mayBegin);
  await late.record(issued(1, `A${MAC.slice(1)}`), 300);
  await late.stop();
  for (const files of [
    [file, other],
    [other, file],
  ])
    expect((await readJournals(files, from(0))).tokens.get(device("d"))).toEqual({ at: 200, mac: MAC, number: 2 });
});

it("returns what was recorded from a given time on, over several runs and files", async () => {
  await journal(async (one) => {
    await one.record({ what: "erasure-asked", tag: tag("a"), erasure: ERASURE }, 100);
    await one.record({ what: "narrowed", tag: tag("b"), fence: 3 }, 150);
    await Promise.all([
      one.record({ what: "narrowed", tag: tag("b"), fence: 7 }, 200),
      one.record({ what: "erased", tag: tag("c"), erasure: ERASURE }, 200),
    ]);
  });
  await journal(async (one) => {
    await one.record({ what: "token-issued", device: device("d"), mac: MAC }, 300);
    await one.record({ what: "policy-published", version: 4 }, 300);
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(lines()).toHaveLength(8);

  const all = await readJournals([file], from(0));
  expect([...all.erasures]).toEqual([
    [tag("a"), new Map([[ERASURE, { at: 100, destroyed: false }]])],
    [tag("c"), new Map([[ERASURE, { at: 200, destroyed: true }]])],
  ]);
  expect(all.narrowed.get(tag("b"))).toEqual([
    { at: 150, fence: 3 },
    { at: 200, fence: 7 },
  ]);
  expect([all.tokens.get(device("d"))?.mac, all.policyVersion, all.entries, all.torn]).toEqual([MAC, 4, 6, 0]);

  const later = await readJournals([file], from(200));
  expect([...later.erasures.keys()]).toEqual([tag("c")]);
  expect(later.narrowed.get(tag("b"))).toEqual([{ at: 200, fence: 7 }]);
});

it("detects a line that was changed, moved, removed or written without the key", async () => {
  await journal(async (one) => {
    for (const letter of "abcd") await one.record({ what: "erased", tag: tag(letter), erasure: ERASURE }, 100);
  });
  const right = lines();
  const [opened = "", first = "", second = "", ...rest] = right;
  const broken: [string, string[]][] = [
    ["altered", [opened, first.replace("aaaa", "aaab"), second, ...rest]],
    ["altered", [opened, first.replace(",100,", ",101,"), second, ...rest]],
    ["altered", [opened, `${first.slice(0, -3)}"]`, second, ...rest]],
    ["gap", [opened, second, first, ...rest]],
    ["gap", [opened, second, ...rest]],
    ["gap", [opened, first, first, second, ...rest]],
    ["gap", [first, second, ...rest]],
  ];
  for (const [code, changed] of broken) {
    rewrite(changed);
    await expect(readJournals([file], from(0))).rejects.toMatchObject({ message: `JOURNAL_INVALID: ${code}` });
  }
  rewrite(right);
  await expect(readJournals([file], { ...from(0), key: journalKey(randomBytes(32)) })).rejects.toMatchObject({
    message: "JOURNAL_INVALID: altered",
  });
  await expect(readJournals([join(root, "none")], from(0))).rejects.toMatchObject({
    message: "JOURNAL_INVALID: missing",
  });
  expect((await readJournals([file], from(0))).erasures.size).toBe(4);
});

it("detects a removed run, and a file shorter than a backup knew", async () => {
  for (const letter of "abc") {
    await journal((one) => one.record({ what: "erased", tag: tag(letter), erasure: ERASURE }, 100));
  }
  const whole = lines();
  const [run, number, , , mac] = parseLine(whole.at(-1) ?? "") ?? [];
  const anchor: JournalHead = [run ?? "", number ?? 0, mac ?? ""];
  expect((await readJournals([file], from(0, [anchor]))).erasures.size).toBe(3);
  const cases: [code: string, left: string[], anchors: JournalHead[]][] = [
    ["gap", whole.slice(2), []],
    ["gap", [...whole.slice(0, 2), ...whole.slice(4)], []],
    ["gap", whole.toSpliced(3, 1), []],
    ["cut", whole.slice(0, 5), [anchor]],
    ["cut", whole.slice(0, 4), [anchor]],
    ["cut", [], [anchor]],
  ];
  for (const [code, left, anchors] of cases) {
    rewrite(left);
    const reading = readJournals([file], from(0, anchors));
    await expect(reading).rejects.toMatchObject({ message: `JOURNAL_INVALID: ${code}` });
  }
});

it("begins a file only where allowed, and does not continue a file written without the key", async () => {
  const nobodyMay = async () => false;
  await expect(new ErasureJournal(file, key).start(nobodyMay)).rejects.toMatchObject({ code: "JOURNAL_MISSING" });
  expect(existsSync(file)).toBe(false);
  await journal(async () => undefined);
  const again = new ErasureJournal(file, key);
  await again.start(nobodyMay);
  await again.stop();
  const foreign = new ErasureJournal(file, journalKey(randomBytes(32)));
  await expect(foreign.start(mayBegin)).rejects.toMatchObject({ message: "JOURNAL_INVALID: altered" });
  writeFileSync(file, "");
  await expect(new ErasureJournal(file, key).start(nobodyMay)).rejects.toMatchObject({ code: "JOURNAL_MISSING" });
});

it("returns legal holds with their terms, and the heads the audit log must contain", async () => {
  const hold = { until: 900, ref: "court:1", devices: [device("d")] };
  const [first, second, third] = [5, 6, 7].map((next) => ({ next, hash: String(next).repeat(43) })) as [
    AuditHead,
    AuditHead,
    AuditHead,
  ];
  await journal(async (one) => {
    await one.record({ what: "held", tag: tag("h"), hold }, 100);
    await one.record({ what: "audited", ...first }, 110);
    await one.record({ what: "released", tag: tag("h"), ref: "court:1" }, 120);
  });
  expect((await readJournals([file], from(0))).holds.get(tag("h"))).toEqual([
    { at: 100, ref: "court:1", hold },
    { at: 120, ref: "court:1", hold: undefined },
  ]);
  await journal((one) => one.record({ what: "audited", ...second }, 130));
  expect((await readJournals([file], from(1_000))).audited).toEqual([first, second]);
  await journal((one) => one.record({ what: "restored", ...third }, 140));
  expect((await readJournals([file], from(1_000))).audited).toEqual([third]);
});

it("continues after a crash in the middle of a line, and reports it", async () => {
  await journal((one) => one.record({ what: "erased", tag: tag("a"), erasure: ERASURE }, 100));
  appendFileSync(file, lines().at(-1)?.slice(0, 40) ?? "");
  await journal((one) => one.record({ what: "erased", tag: tag("b"), erasure: ERASURE }, 200));
  const { erasures, torn } = await readJournals([file], from(0));
  expect([[...erasures.keys()], torn]).toEqual([[tag("a"), tag("b")], 1]);
});

it("can be closed and reopened, and starts a new run after a failed write", async () => {
  await journal((one) => one.record({ what: "narrowed", tag: tag("n"), fence: 1 }));
  const again = new ErasureJournal(file, key);
  await again.start(mayBegin);
  await again.stop();
  await expect(again.record({ what: "narrowed", tag: tag("n"), fence: 2 })).rejects.toMatchObject({
    code: "JOURNAL_UNWRITABLE",
  });
  await again.start(mayBegin);
  await Promise.all([3, 4].map((fence) => again.record({ what: "narrowed", tag: tag("n"), fence })));
  await again.stop();
  const { narrowed } = await readJournals([file], from(0));
  expect(narrowed.get(tag("n"))?.map(({ fence }) => fence)).toEqual([1, 3, 4]);
});

it("shares a file between processes that write concurrently", async () => {
  const journals = Array.from({ length: 3 }, () => new ErasureJournal(file, key));
  for (const one of journals) await one.start(mayBegin);
  const recorded = journals.flatMap((one) =>
    Array.from({ length: 50 }, (_, fence) => one.record({ what: "narrowed", tag: tag("n"), fence })),
  );
  await Promise.all(recorded);
  for (const one of journals) await one.stop();
  expect((await readJournals([file], from(0))).narrowed.get(tag("n"))).toHaveLength(150);
});

it("refuses a file readable by others, a path it cannot write, and an entry while it is closed", async () => {
  await journal(async () => {});
  chmodSync(file, 0o644);
  await expect(new ErasureJournal(file, key).start(mayBegin)).rejects.toMatchObject({
    message: "JOURNAL_UNWRITABLE: readable-by-others",
  });
  await expect(new ErasureJournal(root, key).start(mayBegin)).rejects.toMatchObject({
    message: "JOURNAL_UNWRITABLE: EISDIR",
  });
  const closed = new ErasureJournal(file, key);
  await expect(closed.record({ what: "policy-published", version: 1 })).rejects.toMatchObject({
    code: "JOURNAL_UNWRITABLE",
  });
  await expect(closed.record({ what: "erased", tag: tag("a"), erasure: ERASURE })).rejects.toMatchObject({
    message: "JOURNAL_UNWRITABLE: not-open",
  });
});
