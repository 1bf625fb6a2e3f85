/**
 * Promise: a byte changed in one person's records stops nothing of anybody else's. Backup, restore, erasure, rotation of
 * the master key, legal holds, retention, dead letters and a new owner go on, and what could not be read is told.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { erasureFacts } from "../../src/consent/ledger/erasure-facts.ts";
import { LedgerHolds, standingHolds } from "../../src/consent/ledger/holds.ts";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { ledgerOrRemains } from "../../src/consent/ledger/new-chain.ts";
import { ledgerVerifies } from "../../src/consent/ledger/store.ts";
import { Keyring } from "../../src/deidentify/keyring.ts";
import type { DamageKind } from "../../src/model/damage.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../src/model/ids.ts";
import type { RawMessage } from "../../src/model/raw.ts";
import { DeadLetters } from "../../src/queue/dead-letters.ts";
import { Envelope } from "../../src/queue/envelope.ts";
import { sealsByKey } from "../../src/queue/key-use.ts";
import { Disclosures } from "../../src/rights/access/disclosures.ts";
import { Backup } from "../../src/rights/backup/backup.ts";
import { keyIsWhole, rewrapAll } from "../../src/rights/backup/rewrap.ts";
import { noticesByKey } from "../../src/rights/erasure/in-ledger.ts";
import { ErasureRecords } from "../../src/rights/erasure/record.ts";
import { heldLetters } from "../../src/rights/holds/held-devices.ts";
import { heldNames } from "../../src/rights/holds/held-names.ts";
import { HeldSubjects } from "../../src/rights/holds/held-subjects.ts";
import { LegalHolds } from "../../src/rights/holds/legal-holds.ts";
import { journalKey } from "../../src/rights/journal/format.ts";
import { ErasureJournal } from "../../src/rights/journal/journal.ts";
import { Restore } from "../../src/rights/restore/restore.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { CONSENT, consentStore, device, subject } from "../integration/consent-fixture.ts";
import { EPOCH_MS, erasuresOn, keyring } from "../integration/erasure-fixture.ts";

const { store } = consentStore();
const BY_SUBJECT = { by: "subject", method: "api" } as const;
let told: DamageKind[] = [];
const damaged = (kind: DamageKind) => void told.push(kind);
let dir: string;

beforeEach(async () => {
  told = [];
  dir = await mkdtemp(join(tmpdir(), "damage-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Home {
  readonly tag: SubjectTag;
  readonly hub: DeviceKey;
}

function ledgerOf(): Ledger {
  const { redis, keyspace } = store();
  const createSubjectKey = () => keyring.createSubjectKey();
  return new Ledger(redis, keyspace, {
    journal: NO_JOURNAL,
    createSubjectKey,
    now: Date.now,
    controller: "vendor",
    expiryDays: 365,
  });
}

async function home(): Promise<Home> {
  const one = { tag: subject(randomUUID()), hub: device(randomUUID()) };
  const ledger = ledgerOf();
  await ledger.bind(one.tag, one.hub);
  await ledger.give(one.tag, CONSENT);
  await ledger.withdraw(one.tag, { purposes: ["network"] });
  return one;
}

const flipped = (text: string, at: number) => text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);

type Harm = (one: Home) => Promise<unknown>;

/** Every way in which the record of consent of one person can be harmed. */
const LEDGER_HARMS: Readonly<Record<string, Harm>> = {
  "a byte of an event is another": async ({ tag }) => {
    const name = store().keyspace.ledger(tag);
    const text = (await store().redis.lindex(name, 1)) ?? "";
    await store().redis.lset(name, 1, flipped(text, text.indexOf('"recordId":"') + 13));
  },
  "an event cannot be read": ({ tag }) => store().redis.lset(store().keyspace.ledger(tag), 1, "\u0000\ufffd"),
  "the end of the ledger is cut off": ({ tag }) => store().redis.ltrim(store().keyspace.ledger(tag), 0, 1),
  "the beginning of the ledger is cut off": ({ tag }) => store().redis.ltrim(store().keyspace.ledger(tag), 1, -1),
  "the whole ledger is gone": ({ tag }) => store().redis.del(store().keyspace.ledger(tag)),
  "the hash of the subject is gone": ({ tag }) => store().redis.del(store().keyspace.subject(tag)),
  "the head is another": ({ tag }) => store().redis.hset(store().keyspace.subject(tag), "head", "A".repeat(43)),
  "the fence is no number": async ({ tag }) => {
    await store().redis.hset(store().keyspace.subject(tag), "fence", "many", "head", "x");
  },
  "the ledger is no list": ({ tag }) => store().redis.set(store().keyspace.ledger(tag), "x"),
  "the subject is no hash": ({ tag }) => store().redis.set(store().keyspace.subject(tag), "x"),
  "ledger, subject and devices are sets": async ({ tag }) => {
    const { redis, keyspace } = store();
    const names = [keyspace.ledger(tag), keyspace.subject(tag)];
    await redis.del(...names, keyspace.devices(tag));
    for (const name of names) await redis.sadd(name, "x");
    await redis.set(keyspace.devices(tag), "x");
  },
};

/** And the key under which their data are stored. */
const KEY_HARMS: Readonly<Record<string, Harm>> = {
  "a byte of the key is another": async ({ tag }) => {
    const key = (await store().redis.hget(store().keyspace.subject(tag), "key")) ?? "";
    await store().redis.hset(store().keyspace.subject(tag), "key", flipped(key, 40));
  },
  "the key is of another master key": ({ tag }) => {
    const foreign = new Keyring({ masterKey: randomBytes(32), pepper: randomBytes(32) }).createSubjectKey();
    return store().redis.hset(store().keyspace.subject(tag), "key", foreign);
  },
  "the key is no key": ({ tag }) => store().redis.hset(store().keyspace.subject(tag), "key", "x"),
};

function world() {
  const removed: Pseudonym[] = [];
  const { redis, keyspace } = store();
  const sink = {
    name: "influx",
    region: "IN",
    rowDelete: async () => "sync" as const,
    countRows: async () => 1,
    removeDevices: async (names: readonly Pseudonym[]) => {
      removed.push(...names);
      return "verified" as const;
    },
  };
  const isWhole = keyIsWhole(redis, keyspace, keyring, { alone: false });
  return { removed, ...erasuresOn(store(), { sinks: [sink], keyIsWhole: isWhole, damaged }) };
}

async function erased(one: Home, gateway = world()) {
  const answer = await gateway.erasures.request(one.tag, BY_SUBJECT);
  if (answer.refused !== undefined) throw new Error(answer.refused);
  return (await gateway.finish(answer.status.id)).receipt;
}

async function backupAndRestore() {
  const { redis, keyspace } = store();
  const prefix = keyspace.policies.replace(/:policies$/, "");
  const keys = { lookup: randomBytes(32), master: Buffer.alloc(32, 22), backup: randomBytes(32) };
  const journalFile = join(dir, "journal");
  const journal = new ErasureJournal(journalFile, journalKey(keys.lookup));
  await journal.start(async () => true);
  const check = { ledger: ledgerVerifies, key: (wrapped: string) => keyring.opens(wrapped) };
  const taken = await new Backup(redis, keyspace, prefix, check).take(join(dir, "b"), keys, journal.head);
  await redis.del(await redis.keys(`*${prefix}:*`));
  const all = { lookup: keys.lookup, backup: [keys.backup], masters: [keys.master] };
  const summary = await new Restore(redis, keyspace, prefix, all, {
    keyring,
    closedFloors: () => "1,1,1,1",
    now: Date.now,
  }).run({ records: taken.records, subjectKeys: taken.subjectKeys, journals: [journalFile], replace: false });
  await journal.stop();
  return { taken, summary };
}

const given = async ({ tag, hub }: Home) =>
  (await store().redis.get(store().keyspace.decision(tag, hub)))?.startsWith("3|given|");

describe.each(Object.entries(LEDGER_HARMS))("when %s", (_, harm) => {
  test("others are backed up and restored whole, and the damage is told by the backup", async () => {
    const [bad, good] = [await home(), await home()];
    await store().redis.hset(store().keyspace.credential(bad.hub), "tag", bad.tag);
    const before = await ledgerOf().record(good.tag);
    await harm(bad);
    const { taken, summary } = await backupAndRestore();
    expect(taken.damaged.ledger).toBe(1);
    expect(summary.broken).toBe(1);
    expect(await ledgerOf().record(good.tag)).toEqual(before);
    expect(await given(good)).toBe(true);
    expect(await given(bad)).not.toBe(true);
    await ledgerOf().bind(bad.tag, bad.hub);
    await ledgerOf().give(bad.tag, CONSENT);
    expect(await given(bad)).toBe(true);
  });

  test("they and others are erased, and the receipt says that the record was not verifiable", async () => {
    const [bad, good] = [await home(), await home()];
    await harm(bad);
    expect(await erased(good)).toMatchObject({ sinks: [{ method: "deleted", verified: true }], keyDestroyed: true });
    expect(await erased(bad)).toMatchObject({ record: "unverifiable" });
    await ledgerOf().bind(bad.tag, bad.hub);
    await ledgerOf().give(bad.tag, CONSENT);
    expect(await given(bad)).toBe(true);
  });

  test("under a hold others' holds end, retention knows what is held, and their own ends too", async () => {
    const { redis, keyspace } = store();
    const [bad, good] = [await home(), await home()];
    let now = Date.now();
    const options = { journal: NO_JOURNAL, now: () => now, broken: () => damaged("ledger") };
    const audit = { append: async () => 0, note: async () => undefined };
    const ports = { audit, purge: async () => undefined };
    const holds = new LegalHolds(
      redis,
      keyspace,
      { maxMs: 1e9, proposalMs: 1e6, now: () => now },
      { ...ports, freed: async () => undefined, damaged, ledger: new LedgerHolds(redis, keyspace, options) },
    );
    for (const [index, { tag }] of [bad, good].entries())
      for (const approver of ["a", "b"])
        await holds.place(tag, { ref: `order:${index}`, until: now + 60_000 }, approver);
    await harm(bad);
    const spared = await heldLetters(redis, keyspace, damaged);
    expect(spared({ subjectTag: good.tag, deviceKey: good.hub })).toBe(true);
    const names = await namesHeld();
    const key = (await redis.hget(keyspace.subject(good.tag), "key")) ?? "";
    expect(names).toContain(keyring.pseudonym(key, good.hub, "analytics", Math.floor(Date.now() / EPOCH_MS)));
    now += 120_000;
    await holds.sweep();
    expect(told).toContain("ledger");
    expect(await holds.held.all()).toEqual([]);
    for (const { tag } of [bad, good]) expect((await holds.list(tag)).standing).toEqual([]);
  });

  test("the device goes to a new owner", async () => {
    const [bad, next] = [await home(), await home()];
    await store().redis.hset(store().keyspace.credential(bad.hub), "tag", bad.tag);
    await harm(bad);
    await ledgerOf().bind(next.tag, bad.hub);
    expect(await store().redis.hget(store().keyspace.credential(bad.hub), "tag")).toBe(next.tag);
    expect(await given({ tag: next.tag, hub: bad.hub })).toBe(true);
    expect(await given(bad)).not.toBe(true);
  });
});

async function namesHeld(): Promise<Pseudonym[]> {
  const { redis, keyspace } = store();
  const records = new ErasureRecords(redis, keyspace);
  await records.useEpochLength(EPOCH_MS);
  return heldNames({
    holds: new HeldSubjects(redis, keyspace, (tag) => standingHolds(redis, keyspace, tag)),
    facts: async (tag) => {
      const { events, wrappedSubjectKey } = await ledgerOrRemains(redis, keyspace, tag, () => damaged("ledger"));
      return { facts: erasureFacts(events), wrappedSubjectKey };
    },
    erasures: records,
    keyring,
    keyIsWhole: keyIsWhole(redis, keyspace, keyring, { alone: true }),
    damaged,
    now: Date.now,
  });
}

describe.each(Object.entries(KEY_HARMS))("when %s", (_, harm) => {
  test("others are backed up and restored whole, and the damage is told", async () => {
    const [bad, good] = [await home(), await home()];
    const key = await store().redis.hget(store().keyspace.subject(good.tag), "key");
    await harm(bad);
    const { taken, summary } = await backupAndRestore();
    expect([taken.damaged["subject-key"], summary.unreadable]).toEqual([1, 1]);
    expect(await store().redis.hget(store().keyspace.subject(good.tag), "key")).toBe(key);
    expect(await given(good)).toBe(true);
  });

  test("the erasure ends, claims nothing about rows that no one could look for, and destroys the key", async () => {
    const [bad, good] = [await home(), await home()];
    await harm(bad);
    expect(await erased(bad)).toMatchObject({ sinks: [{ method: "unlinkable", verified: false }], keyDestroyed: true });
    expect(told).toContain("subject-key");
    expect(await erased(good)).toMatchObject({ sinks: [{ method: "deleted", verified: true }] });
    await ledgerOf().give(bad.tag, CONSENT);
    expect(keyring.opens((await store().redis.hget(store().keyspace.subject(bad.tag), "key")) ?? "")).toBe(true);
  });

  test("the master key is changed for all others", async () => {
    const { redis, keyspace } = store();
    const [bad, good] = [await home(), await home()];
    await harm(bad);
    const next = new Keyring({
      masterKey: randomBytes(32),
      otherMasterKeys: [Buffer.alloc(32, 22)],
      pepper: Buffer.alloc(32),
    });
    let left = 0;
    const pass = () =>
      rewrapAll(
        redis,
        keyspace,
        (wrapped) => next.rewrap(wrapped),
        () => {
          left += 1;
        },
      );
    expect([await pass(), left]).toEqual([1, 1]);
    expect(await pass()).toBe(0);
    expect(next.opens((await redis.hget(keyspace.subject(good.tag), "key")) ?? "")).toBe(true);
  });

  test("rows of others under a hold are still known", async () => {
    const { redis, keyspace } = store();
    const [bad, good] = [await home(), await home()];
    for (const { tag } of [bad, good]) {
      await redis.zadd(keyspace.heldSubjects, Date.now() + 1e6, tag);
      await new LedgerHolds(redis, keyspace, { journal: NO_JOURNAL, now: Date.now }).place(tag, {
        ref: "order:1",
        until: Date.now() + 1e6,
      });
    }
    await harm(bad);
    expect((await namesHeld()).length).toBeGreaterThan(0);
    expect(told).toContain("subject-key");
  });
});

test("while no key opens nothing is given up: an erasure waits, a rotation and retention under a hold refuse", async () => {
  const { redis, keyspace } = store();
  const homes = [await home(), await home(), await home()];
  for (const { tag } of homes)
    await KEY_HARMS["the key is of another master key"]?.({ tag, hub: homes[0]?.hub as DeviceKey });
  await expect(rewrapAll(redis, keyspace, (wrapped) => keyring.rewrap(wrapped))).rejects.toMatchObject({
    code: "SUBJECT_KEY_UNREADABLE",
  });
  await expect(erased(homes[0] as Home)).rejects.toMatchObject({ code: "SUBJECT_KEY_UNREADABLE" });
});

describe("a record of an erasure", () => {
  const HARMS: Readonly<Record<string, (name: string) => Promise<unknown>>> = {
    "without facts": (name) => store().redis.hset(name, "facts", '{"devices":["'),
    "with facts that name another device": async (name) => {
      const facts = (await store().redis.hget(name, "facts")) ?? "";
      await store().redis.hset(name, "facts", flipped(facts, facts.indexOf('["') + 3));
    },
    "with a step that is none": (name) => store().redis.hset(name, "step", "dril"),
    "without its time": (name) => store().redis.hdel(name, "requestedAt"),
    "with names that cannot be read": (name) => store().redis.hset(name, "notices", "x", "untold", "{"),
  };
  test.each(Object.entries(HARMS))("%s is mended by the ledger, and what is stored is found", async (_, harm) => {
    const { redis, keyspace } = store();
    const [bad, good] = [await home(), await home()];
    const key = (await redis.hget(keyspace.subject(bad.tag), "key")) ?? "";
    const gateway = world();
    const answer = await gateway.erasures.request(bad.tag, BY_SUBJECT);
    const id = answer.refused === undefined ? answer.status.id : "";
    await harm(keyspace.erasure(bad.tag, id));
    expect(await erased(good)).toMatchObject({ keyDestroyed: true });
    const { receipt } = await gateway.finish(id);
    expect(receipt).toMatchObject({ keyDestroyed: true, sinks: [{ method: "deleted", verified: true }] });
    expect(gateway.removed).toContain(keyring.pseudonym(key, bad.hub, "analytics", Math.floor(Date.now() / EPOCH_MS)));
  });

  test("that is no hash at all ends without a claim, and hinders no one", async () => {
    const { redis, keyspace } = store();
    const bad = await home();
    const gateway = world();
    const answer = await gateway.erasures.request(bad.tag, BY_SUBJECT);
    const id = answer.refused === undefined ? answer.status.id : "";
    await redis.set(keyspace.erasure(bad.tag, id), "x");
    expect(await noticesByKey(redis, keyspace)).toEqual(new Map());
    const { receipt } = await gateway.finish(id);
    expect(receipt.id).toBe(id);
    expect(told).toContain("erasure");
    expect(await gateway.records.open()).toEqual([]);
  });
});

test("dead letters: garbage among them, and a list of one person that is none, keep nothing of others", async () => {
  const { redis, keyspace } = store();
  const [bad, good] = [await home(), await home()];
  const envelope = new Envelope({ active: "q1", all: new Map([["q1", randomBytes(32)]]) });
  const letters = new DeadLetters(redis, keyspace, envelope, { maxBytes: 1e6, damaged });
  const message = ({ tag, hub }: Home): RawMessage => ({
    device: { deviceKey: hub, subjectTag: tag },
    at: Date.now(),
    sub: 0,
    telemetry: { status: { power_on: true } },
    carried: 8,
  });
  await redis.hset(keyspace.deadLetters, "garbage", '{"reason":"poi');
  await redis.set(keyspace.deadLettersOf(bad.tag), "x");
  await letters.add("poison", [message(bad), message(good)]);
  expect(await sealsByKey(redis, keyspace)).toEqual(new Map([["q1", 2]]));
  expect(await letters.purge(bad.tag, "all")).toBe(1);
  expect(await letters.purge(good.tag, [good.hub])).toBe(1);
  expect(await letters.expire(Date.now() + 1, () => heldLetters(redis, keyspace))).toBe(1);
  expect(told.filter((kind) => kind === "dead-letter")).toHaveLength(2);
});

test("a hold proposal that cannot be read is none, and an account of disclosures that is none keeps no one's", async () => {
  const { redis, keyspace } = store();
  const [bad, good] = [await home(), await home()];
  await redis.set(keyspace.disclosures(bad.tag), "x");
  const recipient = { index: 0, name: "lights", purpose: "scene", region: "IN", contract: undefined } as const;
  const disclosures = new Disclosures(redis, keyspace, damaged);
  const lines = [bad, good].map(({ tag }) => ({ subject: tag, revision: 3, recipient, day: "2020-02-07" }));
  expect(await disclosures.expire("2020-01-01", new Set())).toBe(0);
  await disclosures.open(lines);
  await disclosures.add(
    1,
    lines.map((line) => [line, 2] as const),
  );
  for (const { tag } of [bad, good]) expect(await disclosures.of(tag)).toMatchObject([{ count: 2 }]);
  await redis.set(keyspace.disclosures(bad.tag), "x");
  expect(await disclosures.expire("2021-01-01", new Set())).toBe(1);
  expect(told).toEqual(["account", "account"]);
  expect(await erased(bad)).toMatchObject({ keyDestroyed: true });
});
