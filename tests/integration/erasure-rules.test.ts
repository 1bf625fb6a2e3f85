/** What an erasure promises whatever else happens to the same subject, store and services meanwhile. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { LedgerHolds } from "../../src/consent/ledger/holds.ts";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { SubjectErasure } from "../../src/consent/ledger/subject-erasure.ts";
import { deletionOf } from "../../src/model/erasure.ts";
import { GatewayError } from "../../src/model/errors.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../src/model/ids.ts";
import type { Notice } from "../../src/rights/erasure/digests.ts";
import type { ErasableSink, StandingHold } from "../../src/rights/erasure/ports.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { CONSENT, consentStore, device, everythingIn, subject } from "./consent-fixture.ts";
import { EPOCH_MS, erasuresOn, keyring, never } from "./erasure-fixture.ts";

const { store } = consentStore();
const BY_SUBJECT = { by: "subject", method: "api" } as const;

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

async function someone(): Promise<{ tag: SubjectTag; hub: DeviceKey; key: string }> {
  const [tag, hub] = [subject(randomUUID()), device(randomUUID())];
  const ledger = ledgerOf();
  await ledger.bind(tag, hub);
  await ledger.give(tag, CONSENT);
  return { tag, hub, key: (await store().redis.hget(store().keyspace.subject(tag), "key")) ?? "" };
}

async function idOf(requested: ReturnType<ReturnType<typeof erasuresOn>["erasures"]["request"]>): Promise<string> {
  const answer = await requested;
  if (answer.refused !== undefined) throw new Error(answer.refused);
  return answer.status.id;
}

/** A store with some rows under every name; a test decides what it can do. */
function fakeSink(more: Partial<ErasableSink> = {}): ErasableSink & { removed: Pseudonym[] } {
  const removed: Pseudonym[] = [];
  return {
    name: "influx",
    region: "IN",
    removed,
    rowDelete: async () => "sync",
    countRows: async () => 2,
    removeDevices: async (devices) => {
      removed.push(...devices);
      return "verified";
    },
    ...more,
  };
}

test("no one who writes the same ledger meanwhile can bring the key back", async () => {
  const { tag, hub, key } = await someone();
  const { redis, keyspace } = store();
  const ledger = ledgerOf();
  const fixture = erasuresOn(store());
  const others = [1, 2, 3].map((n) => device(`${randomUUID()}-${n}`));
  const [id] = await Promise.all([
    idOf(fixture.erasures.request(tag, BY_SUBJECT)),
    ...others.map((other) => ledger.bind(tag, other)),
    ledger.withdraw(tag, { purposes: ["weather"] }),
    ledger.give(tag, CONSENT),
  ]);
  await fixture.finish(id);
  expect(await everythingIn(redis)).not.toContain(key);
  expect((await ledger.record(tag))?.events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(["erasure-requested", "erased"]),
  );
  // Whichever came last, what it left behind is the state of an erased or of a newly consenting person.
  const decision = await redis.get(keyspace.decision(tag, hub));
  expect(decision).toMatch(/^3\|(given|withdrawn)\|/);
});

test("consent given before the erasure is done begins under a key the erasure does not touch", async () => {
  const { tag, hub, key } = await someone();
  const { redis, keyspace } = store();
  const sink = fakeSink();
  const fixture = erasuresOn(store(), { sinks: [sink] });
  const id = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  await ledgerOf().give(tag, CONSENT);
  const fresh = (await redis.hget(keyspace.subject(tag), "key")) ?? "";
  expect(fresh).not.toBe(key);
  await fixture.finish(id);
  expect(await redis.hget(keyspace.subject(tag), "key")).toBe(fresh);
  const epoch = Math.floor(Date.now() / EPOCH_MS);
  expect(sink.removed).toContain(keyring.pseudonym(key, hub, "analytics", epoch));
  expect(sink.removed).not.toContain(keyring.pseudonym(fresh, hub, "analytics", epoch));
  // What is asked for now is another erasure, of what is stored under the new key.
  expect(await idOf(fixture.erasures.request(tag, BY_SUBJECT))).not.toBe(id);
});

test("of many requests at the same time one erasure comes, and it is also the answer after it is complete", async () => {
  const { tag } = await someone();
  const fixture = erasuresOn(store());
  const ids = await Promise.all(Array.from({ length: 8 }, () => idOf(fixture.erasures.request(tag, BY_SUBJECT))));
  expect(new Set(ids).size).toBe(1);
  expect(await fixture.records.open()).toEqual([ids[0]]);
  await fixture.finish(ids[0] ?? "");
  const again = await fixture.erasures.request(tag, BY_SUBJECT);
  expect(again).toMatchObject({
    status: { id: ids[0], state: "completed", receipt: { receipt: { keyDestroyed: true } } },
  });
  expect(await fixture.records.open()).toEqual([]);
});

test("a legal hold lets nothing be deleted; once it has ended the erasure goes on by itself", async () => {
  const { tag, key } = await someone();
  const until = Date.now() + 1_000_000;
  let held: StandingHold | undefined = { until };
  const sink = fakeSink();
  const fixture = erasuresOn(store(), { sinks: [sink], hold: async () => held });
  const requested = await fixture.erasures.request(tag, BY_SUBJECT);
  expect(requested).toMatchObject({ status: { state: "held", heldUntil: until, step: "drain" } });
  const id = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  expect(await fixture.erasures.advance(id, never)).toBeGreaterThan(0);
  expect(sink.removed).toEqual([]);
  expect(await store().redis.hget(store().keyspace.erasure(tag, id), "key")).toBe(key);
  // Use has ended all the same.
  expect((await ledgerOf().record(tag))?.consent?.state).toBe("withdrawn");
  held = undefined;
  const { receipt } = await fixture.finish(id);
  expect(receipt).toMatchObject({ keyDestroyed: true, sinks: [{ method: "deleted", verified: true }] });
});

test("a hold over one device lets everything of the others be deleted at once, and the rest when it ends", async () => {
  const { tag, key, hub: kept } = await someone();
  const free = device(randomUUID());
  await ledgerOf().bind(tag, free);
  const until = Date.now() + 1_000_000;
  let held: StandingHold | undefined = { until, devices: new Set([kept]) };
  const purged: (readonly DeviceKey[] | "all")[] = [];
  const sink = fakeSink({ countRows: async (names) => names.length });
  const fixture = erasuresOn(store(), {
    sinks: [sink],
    hold: async () => held,
    deadLetters: { purge: async (_, some) => void purged.push(some) },
  });
  await fixture.records.useEpochLength(EPOCH_MS);
  const id = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  for (let turn = 0; turn < 3; turn += 1) expect(await fixture.erasures.advance(id, never)).toBeGreaterThan(0);
  expect(await fixture.erasures.status(id)).toMatchObject({ state: "held", heldUntil: until, step: "delete" });
  const nameOf = (device: DeviceKey) => keyring.pseudonym(key, device, "analytics", Math.floor(Date.now() / EPOCH_MS));
  expect(sink.removed).toContain(nameOf(free));
  expect(sink.removed).not.toContain(nameOf(kept));
  expect(purged).toEqual([[free]]);
  const early = sink.removed.length;
  expect(await store().redis.hget(store().keyspace.erasure(tag, id), "key")).toBe(key);

  held = undefined;
  const { receipt } = await fixture.finish(id);
  expect(sink.removed).toContain(nameOf(kept));
  // What went early counts as well: all names once, the first of them once more, and all of them in the sweep.
  expect(receipt.sinks[0]?.rowsDeleted).toBe(sink.removed.length);
  expect(sink.removed.length).toBeGreaterThan(2 * early);
});

test("a hold that is placed while rows are being deleted ends that, and waits for what was in progress", async () => {
  const { tag, key } = await someone();
  let held: StandingHold | undefined;
  let reached = () => {};
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const answering = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let calls = 0;
  const sink = fakeSink({
    removeDevices: async () => {
      calls += 1;
      reached();
      await answering;
      return "verified";
    },
  });
  const fixture = erasuresOn(store(), { sinks: [sink], hold: async () => held });
  await fixture.records.useEpochLength(86_400_000);
  // So many names that several calls are needed.
  await fixture.records.useClockWindow(400 * 86_400_000, 0);
  const id = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  const turn = fixture.erasures.advance(id, never);
  await asked;
  held = { until: Date.now() + 1_000_000 };
  let answered = false;
  const placed = store()
    .leases.drain(deletionOf(tag))
    .then((drain) => {
      answered = true;
      return drain;
    });
  for (const other of [tag, deletionOf(subject("someone else"))])
    expect(await store().leases.drain(other)).toMatchObject({ drained: true });
  expect(answered).toBe(false);
  answer();
  expect(await placed).toMatchObject({ drained: true });
  expect(await turn).toBe(0);
  expect(await fixture.erasures.advance(id, never)).toBeGreaterThan(0);
  expect(calls).toBe(1);
  expect(await fixture.erasures.status(id)).toMatchObject({ state: "held", step: "delete" });
  expect(await store().redis.hget(store().keyspace.erasure(tag, id), "key")).toBe(key);
});

test("a key is not destroyed under a hold, whenever that was placed", async () => {
  const { tag, key } = await someone();
  const { redis, keyspace } = store();
  const fixture = erasuresOn(store());
  const id = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  const holds = new LedgerHolds(redis, keyspace, { journal: NO_JOURNAL, now: Date.now });
  const ledger = new SubjectErasure(redis, keyspace, { now: Date.now });
  await holds.place(tag, { ref: "court:1", until: Date.now() + 1_000_000 });
  expect(await ledger.destroyKey(tag, id)).toBe(false);
  expect(await redis.hget(keyspace.erasure(tag, id), "key")).toBe(key);
  await holds.release(tag, "court:1");
  expect(await ledger.destroyKey(tag, id)).toBe(true);
  expect(await redis.hget(keyspace.erasure(tag, id), "key")).toBeNull();
});

test("a store that cannot delete rows makes the receipt say so, one that does not let us look as well", async () => {
  const receiptWith = async (sink: ErasableSink) => {
    const { tag } = await someone();
    const fixture = erasuresOn(store(), { sinks: [sink] });
    return (await fixture.finish(await idOf(fixture.erasures.request(tag, BY_SUBJECT)))).receipt;
  };
  const incapable = fakeSink({ rowDelete: async () => "none" });
  expect(await receiptWith(incapable)).toMatchObject({
    keyDestroyed: true,
    sinks: [{ method: "unlinkable", verified: false, rowsDeleted: 0 }],
  });
  expect(incapable.removed).toEqual([]);
  const blind = fakeSink({ countRows: async () => undefined, removeDevices: async () => "accepted" });
  expect(await receiptWith(blind)).toMatchObject({ sinks: [{ method: "deleted", verified: false, rowsDeleted: 0 }] });
});

test("a row that turns up between the two searches is found, counted and deleted", async () => {
  const { tag } = await someone();
  const found = [5, 1];
  const sink = fakeSink({ countRows: async () => found.shift() ?? 0 });
  const fixture = erasuresOn(store(), { sinks: [sink] });
  const { receipt } = await fixture.finish(await idOf(fixture.erasures.request(tag, BY_SUBJECT)));
  expect(receipt.sinks).toMatchObject([{ rowsDeleted: 6, verified: true }]);
});

test("while the store is away nothing is claimed and the key is kept", async () => {
  const { tag, key } = await someone();
  let away = true;
  const sink = fakeSink({
    countRows: async () => {
      if (away) throw new GatewayError("SINK_UNAVAILABLE", "test");
      return 3;
    },
  });
  const fixture = erasuresOn(store(), { sinks: [sink] });
  const id = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  await fixture.records.useEpochLength(EPOCH_MS);
  await expect(fixture.erasures.advance(id, never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  expect(await fixture.erasures.status(id)).toMatchObject({ state: "running", step: "delete" });
  expect(await store().redis.hget(store().keyspace.erasure(tag, id), "key")).toBe(key);
  away = false;
  expect((await fixture.finish(id)).receipt.sinks).toMatchObject([{ verified: true }]);
});

test("rows are found under the names of every epoch length there ever was", async () => {
  const { tag, hub, key } = await someone();
  const sink = fakeSink();
  const fixture = erasuresOn(store(), { sinks: [sink] });
  await fixture.records.useEpochLength(86_400_000);
  await fixture.finish(await idOf(fixture.erasures.request(tag, BY_SUBJECT)));
  for (const length of [EPOCH_MS, 86_400_000]) {
    expect(sink.removed).toContain(keyring.pseudonym(key, hub, "analytics", Math.floor(Date.now() / length)));
  }
});

test("rows are found under the names of every clock window there ever was", async () => {
  const { tag, hub, key } = await someone();
  const sink = fakeSink();
  const fixture = erasuresOn(store(), { sinks: [sink] });
  await fixture.records.useClockWindow(2 * EPOCH_MS, 0);
  await fixture.records.useClockWindow(0, 2 * EPOCH_MS);
  // What admission allows today.
  await fixture.records.useClockWindow(0, 0);
  await fixture.finish(await idOf(fixture.erasures.request(tag, BY_SUBJECT)));
  const now = Math.floor(Date.now() / EPOCH_MS);
  for (const epoch of [now - 2, now + 2])
    expect(sink.removed).toContain(keyring.pseudonym(key, hub, "analytics", epoch));
});

test("someone who never consented is erased without a question to the store", async () => {
  const tag = subject(randomUUID());
  await ledgerOf().bind(tag, device(randomUUID()));
  const sink = fakeSink();
  const fixture = erasuresOn(store(), { sinks: [sink], services: () => ["lights"] });
  const { receipt } = await fixture.finish(await idOf(fixture.erasures.request(tag, BY_SUBJECT)));
  expect(receipt).toMatchObject({ policyVersion: 0, services: [], sinks: [{ rowsDeleted: 0, verified: true }] });
  expect(sink.removed).toEqual([]);
});

test("only services of purposes that were consented to learn anything, and the names go when time is up", async () => {
  const [tag, hub] = [subject(randomUUID()), device(randomUUID())];
  const ledger = ledgerOf();
  await ledger.bind(tag, hub);
  await ledger.give(tag, { ...CONSENT, purposes: { network: ["model"] } });
  const told: string[] = [];
  const ids: string[] = [];
  const options = { acknowledgeDeadlineMs: 2_000 };
  const tell = ({ id: digest, purpose, service, payloads }: Notice): boolean => {
    ids.push(digest);
    told.push(`${purpose} ${service} ${payloads.length}`);
    return service === "a";
  };
  const fixture = erasuresOn(store(), { services: () => ["a", "b"], tell }, options);
  const id = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  const { receipt } = await fixture.finish(id);
  expect(new Set(told)).toEqual(new Set(["network a 1", "network b 1"]));
  expect(receipt.services).toEqual([
    { purpose: "network", notified: 1, acknowledged: 0, unacknowledged: 2, notices: [...new Set(ids)].sort() },
  ]);
  const left = await store().redis.hgetall(store().keyspace.erasure(tag, id));
  for (const field of ["notices", "facts", "key"]) expect(left).not.toHaveProperty(field);
  for (const one of [id, ...ids]) expect(await fixture.digests.acknowledge(one, "scene", "a")).toBe(false);
});

test("an unknown subject is refused and leaves nothing", async () => {
  const fixture = erasuresOn(store());
  const tag = subject(randomUUID());
  expect(await fixture.erasures.request(tag, BY_SUBJECT)).toEqual({ refused: "unknown-subject" });
  expect(await fixture.records.open()).toEqual([]);
  expect(await everythingIn(store().redis)).not.toContain(tag);
});

test("one that was registered and never begun is given up, and not at once", async () => {
  const fixture = erasuresOn(store());
  const id = randomUUID();
  await fixture.records.register(id, subject("nobody"));
  expect(await fixture.erasures.advance(id, never)).toBeGreaterThan(1_000);
  expect(await fixture.records.open()).toEqual([id]);
  expect(await fixture.erasures.advance(id, never)).toBeUndefined();
  expect(await fixture.records.open()).toEqual([]);
});

test("a tombstone of a later erasure is not replaced by the end of an earlier one", async () => {
  const { tag } = await someone();
  const fixture = erasuresOn(store());
  const first = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  await ledgerOf().give(tag, CONSENT);
  // The clock of the requests is in milliseconds.
  while ((await fixture.erasures.status(first))?.requestedAt === Date.now());
  const second = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  await fixture.finish(first);
  const stone = JSON.parse((await store().redis.hget(store().keyspace.tombstones, tag)) ?? "{}") as { erasure: string };
  expect(stone.erasure).toBe(second);
});

test("destroying a key twice destroys it once", async () => {
  const { tag } = await someone();
  const fixture = erasuresOn(store());
  const id = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  const ledger = new SubjectErasure(store().redis, store().keyspace, { now: Date.now });
  await Promise.all([ledger.destroyKey(tag, id), ledger.destroyKey(tag, id)]);
  const types = (await ledgerOf().record(tag))?.events.map(({ type }) => type);
  expect(types?.filter((type) => type === "erased").length).toBe(1);
  await ledger.destroyKey(tag, id);
  expect((await ledgerOf().record(tag))?.events.map(({ type }) => type)).toEqual(types);
});

test("an answer that is quicker than the note that the service was told counts all the same", async () => {
  const { tag } = await someone();
  const answers: Promise<boolean>[] = [];
  const fixture = erasuresOn(
    store(),
    {
      services: (purpose) => (purpose === "scene" ? ["lights"] : []),
      tell: ({ id, purpose, service }) => {
        answers.push(fixture.digests.acknowledge(id, purpose, service));
        return true;
      },
    },
    { acknowledgeWaitMs: 60_000, acknowledgeDeadlineMs: 60_000 },
  );
  const { receipt } = await fixture.finish(await idOf(fixture.erasures.request(tag, BY_SUBJECT)));
  expect(await Promise.all(answers)).toContain(true);
  expect(receipt.services).toMatchObject([{ purpose: "scene", notified: 1, acknowledged: 1, unacknowledged: 0 }]);
});

test("a completed erasure is forgotten after its time, not one under a hold nor one that is still open", async () => {
  const fixture = erasuresOn(store());
  const [old, held, running] = [await someone(), await someone(), await someone()];
  const ids = await Promise.all([old, held, running].map(({ tag }) => idOf(fixture.erasures.request(tag, BY_SUBJECT))));
  for (const id of ids.slice(0, 2)) await fixture.finish(id);
  const except = new Set([held.tag]);
  expect(await fixture.records.older(Date.now() - 60_000, except)).toBe(0);
  expect(await fixture.records.older(Date.now() + 1, except)).toBe(1);
  expect(await fixture.records.expire(Date.now() + 1, except)).toBe(1);
  const left = await Promise.all(ids.map(async (id) => (await fixture.erasures.status(id))?.state));
  expect(left).toEqual([undefined, "completed", "running"]);
  expect(await store().redis.hkeys(store().keyspace.erasureIndex)).toHaveLength(2);
});

test("one that was cut off while it was being closed is closed the next time", async () => {
  const { tag } = await someone();
  const fixture = erasuresOn(store());
  const id = await idOf(fixture.erasures.request(tag, BY_SUBJECT));
  await fixture.finish(id);
  await store().redis.sadd(store().keyspace.openErasures, id);
  expect(await fixture.erasures.advance(id, never)).toBeUndefined();
  expect(await fixture.records.open()).toEqual([]);
  expect(await fixture.erasures.status(id)).toMatchObject({ state: "completed" });
});
