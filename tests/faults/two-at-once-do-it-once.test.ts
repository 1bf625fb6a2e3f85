/** Promise: what two processes find due at the same moment is done once, and a late one undoes nothing. */
import { randomBytes, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { LedgerHolds } from "../../src/consent/holds.ts";
import type { AuditAct } from "../../src/model/audit.ts";
import type { SubjectTag } from "../../src/model/ids.ts";
import { DeadLetters } from "../../src/queue/dead-letters.ts";
import { Envelope } from "../../src/queue/envelope.ts";
import { AuditLog } from "../../src/rights/audit.ts";
import { AuditTrail } from "../../src/rights/audit-trail.ts";
import { HeldSubjects } from "../../src/rights/held-subjects.ts";
import { CONSENT, consentStore, device, subject } from "../integration/consent-fixture.ts";
import { erasuresOn } from "../integration/erasure-fixture.ts";

const { store } = consentStore();
const ACT: AuditAct = { act: "backup", by: "operator" };
const OPTIONS = { keys: [Buffer.alloc(32, 5)] as const satisfies readonly Buffer[], now: Date.now } as const;

test("two retention runs trim the audit log once", async () => {
  const [one, other] = [await store().another(), await store().another()];
  const logs = [one, other].map(({ redis, keys }) => new AuditLog(redis, keys, OPTIONS));
  for (let at = 1; at <= 10; at += 1) await logs[0]?.append(ACT, at <= 4 ? at : 1_000 + at);
  const trimmed = await Promise.all(logs.map((log) => log.trim(1_000)));
  expect(trimmed.sort()).toEqual([0, 4]);
  expect(await store().redis.llen(store().keys.auditLines)).toBe(6);
  expect(await logs[1]?.verify()).toMatchObject({ intact: true, first: 4 });
});

test("a stop while late audit lines are written doubles none and loses none", async () => {
  const written: number[] = [];
  let away = true;
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const append = async (act: AuditAct) => {
    if (away) throw new Error("away");
    await gate;
    written.push(Number(act.detail?.at));
    return 0;
  };
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const trail = new AuditTrail({ audit: { append }, late: () => undefined, log: silent, now: Date.now });
  for (let at = 0; at < 5; at += 1) await trail.note({ ...ACT, detail: { at } });
  away = false;
  const stops = [trail.stop(), trail.stop()];
  release();
  await Promise.all(stops);
  expect(written).toEqual([0, 1, 2, 3, 4]);
});

test("a run of an erasure that comes too late sets nothing back and signs nothing anew", async () => {
  const { ledger } = store();
  const tag = subject(randomUUID());
  await ledger.bind(tag, device(randomUUID()));
  await ledger.give(tag, CONSENT);
  const { erasures, records, finish } = erasuresOn(store());
  const answer = await erasures.request(tag, { by: "subject", method: "api" });
  const id = answer.refused === undefined ? answer.status.id : "";
  const early = await records.read(id);
  if (early === undefined) throw new Error("no record");
  const signed = await finish(id);
  const after = await store().redis.hgetall(store().keys.erasure(tag, id));
  const late = { code: "CONSENT_CONFLICT" };
  await expect(records.set(early, { step: "backlog" })).rejects.toMatchObject(late);
  await expect(records.setOnce(early, "untold", "[]")).rejects.toMatchObject(late);
  await expect(records.replace(early, "receipt", after.receipt ?? "", "{}")).rejects.toMatchObject(late);
  await records.set(early, { heldUntil: 1 }, "any");
  await records.entomb(early);
  expect(await store().redis.hgetall(store().keys.erasure(tag, id))).toEqual(after);
  expect(JSON.parse((await store().redis.hget(store().keys.tombstones, tag)) ?? "")).toHaveProperty("completedAt");
  expect((await erasures.status(id))?.receipt).toEqual(signed);
});

test("a hold that is placed while the end of another is noted stays on the list of the held", async () => {
  const { redis, keys, ledger } = store();
  const tag: SubjectTag = subject(randomUUID());
  await ledger.bind(tag, device(randomUUID()));
  const holds = new LedgerHolds(redis, keys, { now: Date.now });
  const hold = { ref: "order:1", until: Date.now() + 60_000 };
  const placing = new HeldSubjects(redis, keys, () => holds.standing(tag));
  let looks = 0;
  const noting = new HeldSubjects(redis, keys, async () => {
    const standing = await holds.standing(tag);
    looks += 1;
    if (looks === 2) {
      await placing.add(tag, hold.until);
      await holds.place(tag, hold);
      await placing.add(tag, hold.until);
    }
    return standing;
  });
  await noting.renew(tag);
  expect(looks).toBe(2);
  expect(await placing.all()).toEqual([tag]);
});

test("a dead letter is put back into the queue by one of two", async () => {
  const { redis, keys } = store();
  const envelope = new Envelope({ active: "q1", all: new Map([["q1", randomBytes(32)]]) });
  const letters = [0, 1].map(() => new DeadLetters(redis, keys, envelope, { maxBytes: 1e6 }));
  await letters[0]?.addBatch("unopenable", { k: "q1", s: "x" }, 1);
  const [id = ""] = await redis.hkeys(keys.deadLetters);
  const claimed = await Promise.all(letters.map((one) => one.claim(id)));
  expect(claimed.filter((letter) => letter !== undefined)).toHaveLength(1);
});
