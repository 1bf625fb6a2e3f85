/** Promise: what two processes find due at the same moment is done once, and a late one undoes nothing. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { LedgerHolds } from "../../src/consent/ledger/holds.ts";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { Suspensions } from "../../src/consent/ledger/suspensions.ts";
import { SpentLinks } from "../../src/http/centre/spent-links.ts";
import type { AuditAct } from "../../src/model/audit.ts";
import { deletionOf } from "../../src/model/erasure.ts";
import type { SubjectTag } from "../../src/model/ids.ts";
import type { RawMessage } from "../../src/model/raw.ts";
import { DeadLetters } from "../../src/queue/dead-letters.ts";
import { Envelope } from "../../src/queue/envelope.ts";
import { AuditLog } from "../../src/rights/audit/log.ts";
import { AuditTrail } from "../../src/rights/audit/trail.ts";
import { BackupSchedule } from "../../src/rights/backup/schedule.ts";
import { KeyRemnants } from "../../src/rights/erasure/key-remnants.ts";
import { purgeOf } from "../../src/rights/holds/held-devices.ts";
import { HeldSubjects } from "../../src/rights/holds/held-subjects.ts";
import { LegalHolds } from "../../src/rights/holds/legal-holds.ts";
import { RestoreMarker } from "../../src/rights/restore/marker.ts";
import { createRetention } from "../../src/wiring/retention.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { CONSENT, consentStore, device, subject } from "../integration/consent-fixture.ts";
import { erasuresOn } from "../integration/erasure-fixture.ts";

const { store } = consentStore();
const ACT: AuditAct = { act: "backup", by: "operator" };
const OPTIONS = { keys: [Buffer.alloc(32, 5)] as const satisfies readonly Buffer[], now: Date.now } as const;

/** A connection on which `meanwhile` happens once, right before the command or script of this name is sent. */
function interrupted(redis: Redis, command: string, meanwhile: () => Promise<unknown>): Redis {
  let due = true;
  const send = async (...args: unknown[]) => {
    if (due) {
      due = false;
      await meanwhile();
    }
    return (redis as unknown as Record<string, (...args: unknown[]) => unknown>)[command]?.(...args);
  };
  return Object.create(redis, { [command]: { value: send } }) as Redis;
}

test("two retention runs trim the audit log once", async () => {
  const [one, other] = [await store().another(), await store().another()];
  const logs = [one, other].map(({ redis, keyspace }) => new AuditLog(redis, keyspace, OPTIONS));
  for (let at = 1; at <= 10; at += 1) await logs[0]?.append(ACT, at <= 4 ? at : 1_000 + at);
  const trimmed = await Promise.all(logs.map((log) => log.trim(1_000)));
  expect(trimmed.sort()).toEqual([0, 4]);
  expect(await store().redis.llen(store().keyspace.auditLines)).toBe(6);
  expect(await logs[1]?.verify()).toMatchObject({ intact: true, first: 4 });
});

test("an act in the log meets retention between two of its looks and takes it for no rollback", async () => {
  const { redis, keyspace } = await store().another();
  const other = new AuditLog(store().redis, store().keyspace, OPTIONS);
  for (let at = 1; at <= 10; at += 1) await other.append(ACT, at <= 4 ? at : 1_000 + at);
  const meets = interrupted(redis, "lindex", () => other.trim(1_000));
  const log = new AuditLog(meets, keyspace, OPTIONS);
  await log.append(ACT, 2_000);
  await other.append(ACT, 2_001);
  expect(await log.append(ACT, 2_002)).toBe(12);
  expect(await log.verify()).toMatchObject({ intact: true, first: 4 });
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
  const list = () => Promise.reject(new Error("not asked"));
  const metrics = { auditLate: () => undefined };
  const trail = new AuditTrail({ audit: { append, list }, metrics, log: silent, now: Date.now });
  for (let at = 0; at < 5; at += 1) await trail.note({ ...ACT, detail: { at } });
  away = false;
  const stops = [trail.stop(), trail.stop()];
  release();
  await Promise.all(stops);
  expect(written).toEqual([0, 1, 2, 3, 4]);
});

test("a run of an erasure that comes too late sets nothing back and signs nothing again", async () => {
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
  const after = await store().redis.hgetall(store().keyspace.erasure(tag, id));
  const late = { code: "CONSENT_CONFLICT" };
  await expect(records.set(early, { step: "backlog" })).rejects.toMatchObject(late);
  await expect(records.setOnce(early, "untold", "[]")).rejects.toMatchObject(late);
  await expect(records.replace(early, "receipt", after.receipt ?? "", "{}")).rejects.toMatchObject(late);
  await records.set(early, { heldUntil: 1 }, "any");
  await records.entomb(early);
  expect(await store().redis.hgetall(store().keyspace.erasure(tag, id))).toEqual(after);
  expect(JSON.parse((await store().redis.hget(store().keyspace.tombstones, tag)) ?? "")).toHaveProperty("completedAt");
  expect((await erasures.status(id))?.receipt).toEqual(signed);
});

test("a hold that is placed while the end of another is noted stays on the list of the held", async () => {
  const { redis, keyspace, ledger } = store();
  const tag: SubjectTag = subject(randomUUID());
  await ledger.bind(tag, device(randomUUID()));
  const holds = new LedgerHolds(redis, keyspace, { journal: NO_JOURNAL, now: Date.now });
  const hold = { ref: "order:1", until: Date.now() + 60_000 };
  const placing = new HeldSubjects(redis, keyspace, () => holds.standing(tag));
  let looks = 0;
  const noting = new HeldSubjects(redis, keyspace, async () => {
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
  const { redis, keyspace } = store();
  const envelope = new Envelope({ active: "q1", all: new Map([["q1", randomBytes(32)]]) });
  const letters = [0, 1].map(() => new DeadLetters(redis, keyspace, envelope, { maxBytes: 1e6 }));
  await letters[0]?.addBatch("unopenable", { k: "q1", s: "x" }, 1);
  const [id = ""] = await redis.hkeys(keyspace.deadLetters);
  const claimed = await Promise.all(letters.map((one) => one.claim(id)));
  expect(claimed.filter((letter) => letter !== undefined)).toHaveLength(1);
});

describe("a device that is bound and unbound by two gateways", () => {
  const SCRIPTS = ["consentryClaimDevice", "consentryAppendEvent", "consentrySettleDevice"];
  const CASES = SCRIPTS.flatMap((script) => [true, false].map((before) => [script, before] as const));

  test.each(CASES)(
    "is bound in ledger and credential or in neither (at %s; bound before: %s)",
    async (script, before) => {
      const { redis, keyspace, ledger } = store();
      const [tag, lamp] = [subject(randomUUID()), device(randomUUID())];
      // Every script is known to the connection then.
      await ledger.bind(tag, device(randomUUID()));
      if (before) await ledger.bind(tag, lamp);
      const unbinds = (await store().another()).ledger;
      const binds = new Ledger(
        interrupted(redis, script, () => unbinds.unbind(tag, lamp)),
        keyspace,
        {
          journal: NO_JOURNAL,
          createSubjectKey: () => randomBytes(60).toString("base64url"),
          now: Date.now,
          controller: "vendor",
          expiryDays: 365,
        },
      );
      const answer = await binds.bind(tag, lamp).catch((error: unknown) => error);
      const bound = (await redis.sismember(keyspace.devices(tag), lamp)) === 1;
      expect((await redis.hget(keyspace.credential(lamp), "tag")) === tag).toBe(bound);
      if (answer instanceof Error) expect(answer).toMatchObject({ code: "CONSENT_CONFLICT" });
      await binds.bind(tag, lamp);
      expect(await redis.sismember(keyspace.devices(tag), lamp)).toBe(1);
      expect(await redis.hget(keyspace.credential(lamp), "tag")).toBe(tag);
      await unbinds.unbind(tag, lamp);
      expect(await redis.sismember(keyspace.devices(tag), lamp)).toBe(0);
      expect(await redis.hget(keyspace.credential(lamp), "tag")).toBeNull();
    },
  );

  test("whose ledger alone or whose credential alone says so is bound in both when it is bound again", async () => {
    const { redis, keyspace, ledger } = store();
    const [tag, one, other] = [subject(randomUUID()), device(randomUUID()), device(randomUUID())];
    for (const lamp of [one, other]) await ledger.bind(tag, lamp);
    await redis.hdel(keyspace.credential(one), "tag");
    await ledger.unbind(tag, other);
    await redis.hset(keyspace.credential(other), "tag", tag);
    for (const lamp of [one, other]) {
      await ledger.bind(tag, lamp);
      expect(await redis.sismember(keyspace.devices(tag), lamp)).toBe(1);
      expect(await redis.hget(keyspace.credential(lamp), "tag")).toBe(tag);
    }
  });
});

describe("a legal hold", () => {
  async function world() {
    const { redis, keyspace, ledger } = store();
    const [tag, lamp] = [subject(randomUUID()), device(randomUUID())];
    await ledger.bind(tag, lamp);
    await ledger.give(tag, CONSENT);
    const ledgerHolds = new LedgerHolds(redis, keyspace, { journal: NO_JOURNAL, now: Date.now });
    const hold = { ref: "order:1", until: Date.now() + 60_000 };
    return { tag, lamp, ledgerHolds, hold };
  }
  const holdsOf = (ledger: LedgerHolds, approved: () => Promise<unknown>) => {
    const append = async () => {
      await approved();
      return 0;
    };
    const audit = { append, note: async () => undefined };
    return new LegalHolds(
      store().redis,
      store().keyspace,
      { maxMs: 1e9, proposalMs: 1e6, now: Date.now },
      { ledger, audit, purge: async () => {}, freed: async () => {} },
    );
  };

  test("that is taken back while another approver confirms it does not stand, and can be proposed again", async () => {
    const { tag, ledgerHolds, hold } = await world();
    const one = holdsOf(ledgerHolds, async () => undefined);
    const other = holdsOf(ledgerHolds, () => one.release(tag, hold.ref));
    await one.place(tag, hold, "a");
    await expect(other.place(tag, hold, "b")).rejects.toMatchObject({ code: "CONSENT_CONFLICT" });
    expect(await ledgerHolds.standing(tag)).toEqual([]);
    expect([await one.held.all(), await one.list(tag)]).toEqual([[], { standing: [], proposed: [] }]);
    expect(await one.place(tag, hold, "b")).toEqual({ state: "proposed" });
    expect(await one.place(tag, hold, "a")).toEqual({ state: "standing" });
  });

  test("that is placed while something is purged either keeps it, or is answered when it is gone", async () => {
    const { redis, keyspace, leases } = store();
    const { tag, lamp, ledgerHolds, hold } = await world();
    const holds = holdsOf(ledgerHolds, async () => undefined);
    await holds.place(tag, hold, "a");
    const envelope = new Envelope({ active: "q1", all: new Map([["q1", randomBytes(32)]]) });
    const letters = new DeadLetters(redis, keyspace, envelope, { maxBytes: 1e6 });
    const message = { device: { deviceKey: lamp, subjectTag: tag }, at: 1, sub: 0, telemetry: {}, carried: 8 };
    await letters.add("poison", [message as RawMessage]);

    const confirmed = purgeOf({
      redis,
      keyspace,
      deadLetters: letters,
      // Between the decision to purge and the first look at the holds.
      leases: { acquire: () => leases.acquire().finally(() => holds.place(tag, hold, "b")) },
    });
    await confirmed(tag, [lamp]);
    expect(await letters.count()).toBe(1);

    await holds.release(tag, hold.ref);
    const order: string[] = [];
    let answered: Promise<unknown> = Promise.resolve();
    const purge = purgeOf({
      redis,
      keyspace,
      leases,
      deadLetters: {
        purge: async (...args) => {
          // After the last look: anyone who places it now waits.
          for (const approver of ["a", "b"]) await holds.place(tag, hold, approver);
          answered = leases.drain(deletionOf(tag)).then(({ drained }) => order.push(`answered ${drained}`));
          await leases.drain("x".repeat(22) as SubjectTag);
          order.push("purged");
          return letters.purge(...args);
        },
      },
    });
    await purge(tag, [lamp]);
    await answered;
    expect(order).toEqual(["purged", "answered true"]);
  });
});

test("an account of disclosures of whom a hold is placed while old ones go stays", async () => {
  const { redis, keyspace, leases } = store();
  const [held, free] = [subject(randomUUID()), subject(randomUUID())];
  for (const tag of [held, free]) await redis.hset(keyspace.disclosures(tag), "1|sky|weather|IN||2020-02", "07:1");
  const days = { deviceStatusDays: 1, deviceLocationDays: 1, cellActivityDays: 1 };
  const retention = createRetention({
    config: {
      retention: { ...days, disclosureDays: 30, receiptDays: 30, auditDays: 30, queueKeyDays: 0 },
      queue: { deadLetterRetentionDays: 1 },
      keys: { dir: "" },
    } as never,
    redis,
    keyspace,
    keyring: { pseudonym: () => "x" as never, opens: () => true },
    // Anyone who places it from here on is answered when the old ones are gone.
    leases: {
      acquire: () => leases.acquire().finally(() => redis.zadd(keyspace.heldSubjects, Date.now() + 1e6, held)),
    },
    rows: { count: async () => 0, remove: async () => "deleted" },
    deadLetters: { count: async () => 0, older: async () => 0, expire: async () => 0, purge: async () => 0 },
    holds: new HeldSubjects(redis, keyspace, async () => []),
    auditLog: { older: async () => 0, trim: async () => 0 },
    audit: { note: async () => undefined },
    damaged: () => undefined,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const results = await retention.run("gateway", new AbortController().signal);
  expect(results).toContainEqual({ kind: "disclosures", state: "done", count: 1 });
  expect([await redis.exists(keyspace.disclosures(held)), await redis.exists(keyspace.disclosures(free))]).toEqual([
    1, 0,
  ]);
});

test("a restore that was overtaken takes nothing away from the one that overtook it", async () => {
  const { redis, keyspace } = store();
  const [late, next] = [new RestoreMarker(redis, keyspace), new RestoreMarker(redis, keyspace)];
  expect(await late.raise()).toBe("staging");
  await expect(next.raise()).rejects.toMatchObject({ code: "RESTORE_REFUSED" });
  // Its word ran out, as it does when its process stands still.
  const sign = JSON.parse((await redis.get(keyspace.restoring)) ?? "{}") as object;
  await redis.set(keyspace.restoring, JSON.stringify({ ...sign, untilMs: 1 }));
  expect(await next.raise()).toBe("staging");
  await next.begin("removing");
  await expect(late.begin("staging")).rejects.toMatchObject({ code: "RESTORE_REFUSED" });
  await late.lower(true);
  next.held();
  expect(JSON.parse((await redis.get(keyspace.restoring)) ?? "{}")).toMatchObject({ stage: 1 });
  // Nor does it begin where the other one has ended.
  await next.lower(true);
  await expect(late.begin("taking")).rejects.toMatchObject({ code: "RESTORE_REFUSED" });
  expect(await redis.get(keyspace.restoring)).toBeNull();
});

test("a turn to take backups that ran out and is another one's is neither prolonged nor ended", async () => {
  const { redis, keyspace } = store();
  const never = { take: () => Promise.reject(new Error("not asked")) };
  const schedule = new BackupSchedule(redis, keyspace, never, { dir: ".", everyMs: 0, keep: 1 });
  expect(
    await schedule.alone(async () => {
      expect(await schedule.alone(async () => "twice")).toBeUndefined();
      await redis.set(keyspace.backupTurn, "another one");
      return "done";
    }),
  ).toBe("done");
  expect(await redis.get(keyspace.backupTurn)).toBe("another one");
});

test("of two looks at what a policy suspends the later one counts, however long the earlier one takes", async () => {
  const { redis, keyspace } = store();
  const quick = new Suspensions(redis, keyspace, { now: Date.now });
  await quick.survey();
  const slow = new Suspensions(
    interrupted(redis, "consentryRememberSuspended", async () => {
      await quick.survey();
      await redis.hset(keyspace.devicesSuspended, "scene", 7);
    }),
    keyspace,
    { now: Date.now },
  );
  await slow.survey();
  expect(await quick.counts()).toMatchObject({ scene: 7 });
});

test("a link that was used is remembered for longer than a gateway whose clock is behind takes it for good", async () => {
  const { redis, keyspace } = store();
  const links = new SpentLinks(redis, keyspace);
  const spent = await Promise.all([links.spend("n", 1_000), links.spend("n", 1_000)]);
  expect(spent.filter(Boolean)).toHaveLength(1);
  expect(await redis.pttl(keyspace.spentLink("n"))).toBeGreaterThan(23 * 60 * 60_000);
});

test("the mark of a key deleted while the file is rewritten stays", async () => {
  const { redis, keyspace } = store();
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const marking = new KeyRemnants(redis, keyspace, silent);
  await marking.mark();
  const slow = new KeyRemnants(
    interrupted(redis, "info", () => marking.mark()),
    keyspace,
    silent,
  );
  await slow.clear(new AbortController().signal);
  expect(await redis.get(keyspace.keyRemnants)).not.toBeNull();
});
