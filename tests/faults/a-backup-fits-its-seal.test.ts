/**
 * Promise: whatever is audited while a backup is taken, what is restored from it can be audited on; and a log that
 * does not verify is repaired by anyone who says so, never in silence.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { AuditAct, AuditVerdict } from "../../src/model/audit.ts";
import { readSealedHeader } from "../../src/platform/sealed-file/reader.ts";
import { SealedFileWriter } from "../../src/platform/sealed-file/writer.ts";
import { archiveLines, recordsLine } from "../../src/rights/backup/archive.ts";
import { until } from "../fixtures/eventually.ts";
import { eachOnItsOwn, type Installation } from "../integration/backup-fixture.ts";

const ACT: AuditAct = { act: "export", by: "subject" };

let here: Installation;
eachOnItsOwn(async (one) => {
  here = one;
  await here.home("a");
});

async function intact(): Promise<Extract<AuditVerdict, { intact: true }>> {
  const verdict = await here.log().verify();
  if (!verdict.intact) throw new Error(`${verdict.problem} at line ${verdict.index}`);
  return verdict;
}

async function filled(count: number): Promise<void> {
  const log = here.log();
  await Promise.all(Array.from({ length: count }, (_, at) => log.append({ ...ACT, detail: { at } })));
}

/** Appends for as long as `work` takes, as a gateway does that is asked much at a time. */
async function whileAudited<T>(work: () => Promise<T>): Promise<{ result: T; written: number }> {
  const log = here.log();
  let working = true;
  let written = 0;
  const writers = Array.from({ length: 16 }, async () => {
    while (working) {
      await log.append({ ...ACT, detail: { at: written } });
      written += 1;
    }
  });
  await until("lines are written", () => written > 100);
  const result = await work();
  working = false;
  await Promise.all(writers);
  return { result, written };
}

test("of every backup taken while hundreds of acts are audited the log verifies and goes on", async () => {
  await filled(1_200);
  const { result: made, written } = await whileAudited(async () => {
    const taken = [];
    for (let round = 0; round < 3; round += 1) taken.push(await here.backup(join(here.dir, String(round))));
    return taken;
  });
  expect(written).toBeGreaterThan(300);
  expect(made.map(({ auditProblem }) => auditProblem)).toEqual(made.map(() => undefined));
  for (const one of made) {
    await here.lose();
    expect((await here.restorer().run(here.input(one, { replace: true }))).auditRepair).toBeUndefined();
    const { head, repairs } = await intact();
    expect([head.next >= 1_200, repairs]).toEqual([true, []]);
    expect(await here.log().append(ACT)).toBe(head.next);
    expect((await intact()).head.next).toBe(head.next + 1);
  }
});

test("of a backup taken while old lines are trimmed the log verifies and goes on", async () => {
  await filled(3_000);
  const halfway = Date.now() + 1;
  await until("it is later", () => Date.now() > halfway);
  await filled(50);
  const { result: made } = await whileAudited(async () => {
    const [taken] = await Promise.all([
      here.backup(),
      here
        .log()
        .trim(halfway)
        .catch(() => 0),
    ]);
    return taken;
  });
  await here.lose();
  await here.restorer().run(here.input(made));
  const { head } = await intact();
  expect(await here.log().append(ACT)).toBe(head.next);
});

test("an archive whose seal is ahead of its lines is repaired before it takes its place, and the log says so", async () => {
  await filled(10);
  const made = await here.backup();
  const earlier = await here.redis.lrange(here.keyspace.auditLines, 0, 6);
  // As backups used to be: the lines, and later the seal.
  const header = await readSealedHeader(made.records);
  const lines: string[] = [];
  for await (const line of archiveLines(made.records, here.keys.backup, recordsLine)) {
    if (line.is !== "shared" || line.name !== "auditLines") lines.push(JSON.stringify(line));
    else lines.push(JSON.stringify({ ...line, items: line.items.filter((item) => earlier.includes(item)) }));
  }
  const former = join(here.dir, "former.records");
  const { schema, kind, createdAt, installation, backup, journals } = header;
  const writer = new SealedFileWriter(former, here.keys.backup, {
    schema,
    kind,
    createdAt,
    installation,
    backup,
    journals,
  });
  for (const line of lines) await writer.line(line);
  await writer.line(JSON.stringify({ is: "end", subjects: 1, credentials: 1, keys: 0 }));
  await writer.finish();

  await here.lose();
  const { auditRepair } = await here.restorer().run(here.input({ ...made, records: former }));
  expect(auditRepair).toMatchObject({ index: 7, problem: "truncated", line: 7, kept: 7, again: 0, left: 0 });
  const { head, repairs, lost } = await intact();
  expect([head.next, repairs, lost]).toEqual([8, [auditRepair], [{ from: 7, to: 10 }]]);
  expect(await here.log().append(ACT)).toBe(8);
});

describe("a log that does not verify", () => {
  const DAMAGE: readonly [string, (lines: string[]) => string[], object][] = [
    [
      "is changed",
      (lines) => lines.with(3, `${lines[3]} `),
      { problem: "changed", line: 3, kept: 3, again: 4, left: 1 },
    ],
    ["lacks a line", (lines) => lines.toSpliced(3, 1), { problem: "missing", line: 3, kept: 3, again: 4, left: 0 }],
    ["lacks its end", (lines) => lines.slice(0, 5), { problem: "truncated", line: 5, kept: 5, again: 0, left: 0 }],
    ["lacks its beginning", (lines) => lines.slice(2), { problem: "missing", line: 0, kept: 0, again: 6, left: 0 }],
    ["is empty", () => [], { problem: "truncated", line: 0, kept: 0, again: 0, left: 0 }],
    ["repeats a line", (lines) => [...lines, lines[2] ?? ""], { problem: "unsealed", line: 8, kept: 8, left: 1 }],
    ["has a line of someone else", (lines) => [...lines, "{}"], { problem: "unsealed", line: 8, kept: 8, left: 1 }],
  ];

  test.each(DAMAGE)(
    "because it %s is repaired once asked to, says what was found and is written to again",
    async (_, damage, found) => {
      await filled(8);
      const running = here.log();
      await running.append(ACT).then(() => here.redis.rpop(here.keyspace.auditLines));
      await here.redis.del(here.keyspace.auditLines, here.keyspace.auditSeal);
      await filled(8);
      const before = await here.redis.lrange(here.keyspace.auditLines, 0, -1);
      const lines = damage(before);
      await here.redis.del(here.keyspace.auditLines);
      if (lines.length > 0) await here.redis.rpush(here.keyspace.auditLines, ...lines);

      const leftOut: string[] = [];
      const repair = await here.log().repair("operator", [], async (left) => void leftOut.push(...left));
      expect(repair).toMatchObject(found);
      const verdict = await intact();
      expect(verdict.repairs).toEqual([repair]);
      const { records } = await here.log().list({ from: 0, limit: 99 });
      const said = records.find(({ act }) => act === "audit-repaired");
      expect(said).toMatchObject({ index: repair?.index, by: "operator", detail: { problem: repair?.problem } });
      // Whatever was written under the key of the log and was still there is still there.
      const kept = records.filter(({ act }) => act === "export").map(({ detail }) => detail?.at);
      expect([...kept].sort()).toEqual(before.flatMap((line, at) => (lines.includes(line) ? [at] : [])).sort());
      expect(leftOut).toHaveLength(repair?.left ?? -1);
      expect(await here.log().repair("operator")).toBeUndefined();
    },
  );

  test("lets the gateways that were at work go on after its repair, and takes no earlier repair for a later one", async () => {
    const running = here.log();
    for (let at = 0; at < 6; at += 1) await running.append({ ...ACT, detail: { at } });
    const earlier = [
      await here.redis.lrange(here.keyspace.auditLines, 0, 3),
      await here.redis.get(here.keyspace.auditSeal),
    ] as const;
    await here.redis.ltrim(here.keyspace.auditLines, 0, 3);
    await expect(running.append(ACT)).rejects.toMatchObject({ code: "AUDIT_BROKEN" });
    await here.log().repair("operator");
    expect(await running.append(ACT)).toBe(5);
    expect(await here.log().append(ACT)).toBe(6);
    // Rolled back to before the repair, or to right after it.
    await here.redis
      .multi()
      .del(here.keyspace.auditLines)
      .rpush(here.keyspace.auditLines, ...earlier[0])
      .set(here.keyspace.auditSeal, earlier[1] ?? "")
      .exec();
    await expect(running.append(ACT)).rejects.toMatchObject({ code: "AUDIT_BROKEN" });
  });

  test("because its seal is gone or forged is repaired with what the lines themselves say", async () => {
    for (const seal of [undefined, "forged"]) {
      await filled(4);
      if (seal === undefined) await here.redis.del(here.keyspace.auditSeal);
      else await here.redis.set(here.keyspace.auditSeal, seal);
      expect(await here.log().repair("operator")).toMatchObject({ problem: "seal-broken", again: 0, left: 0 });
      await intact();
      await filled(1);
    }
    expect((await intact()).repairs).toHaveLength(2);
  });

  test("because it was rolled back names what is lost, and is compared with what comes after", async () => {
    await filled(4);
    const [lines, seal] = [
      await here.redis.lrange(here.keyspace.auditLines, 0, -1),
      await here.redis.get(here.keyspace.auditSeal),
    ];
    await filled(4);
    const noted = await here.log().head();
    await here.redis
      .multi()
      .del(here.keyspace.auditLines)
      .rpush(here.keyspace.auditLines, ...lines)
      .set(here.keyspace.auditSeal, seal ?? "")
      .exec();
    expect(await here.log().verify([noted])).toMatchObject({ intact: false, problem: "rolled-back", index: 4 });
    await here.log().repair("operator", [noted]);
    expect(await here.log().verify([noted])).toMatchObject({ intact: true, lost: [{ from: 4, to: 8 }] });
    await filled(9);
    expect(await here.log().verify([noted])).toMatchObject({ intact: true });
    const forged = { next: 3, hash: "f".repeat(43) };
    expect(await here.log().verify([forged, noted])).toMatchObject({ intact: false, problem: "rolled-back" });
  });

  test("is told of when it is backed up, and its damage is no one else's at the restore", async () => {
    await filled(6);
    await here.redis.lset(here.keyspace.auditLines, 2, "changed");
    const made = await here.backup();
    expect(made.auditProblem).toBe("changed");
    await here.lose();
    const { auditRepair, subjects } = await here.restorer().run(here.input(made));
    expect([subjects, auditRepair]).toEqual([
      1,
      expect.objectContaining({ problem: "changed", line: 2, again: 3, left: 1 }),
    ]);
    expect((await intact()).repairs).toEqual([auditRepair]);
    await here.log().append({ ...ACT, detail: { erasure: randomUUID() } });
  });
});
