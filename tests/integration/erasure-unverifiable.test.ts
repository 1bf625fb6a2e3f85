/** Promise: a consent record that cannot be verified keeps no one from being erased, and the receipt says so. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { consentCheck } from "../../src/consent/decision/check.ts";
import { LedgerHolds } from "../../src/consent/ledger/holds.ts";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { beginNewChain } from "../../src/consent/ledger/new-chain.ts";
import { rebuildSubject } from "../../src/consent/ledger/rebuild.ts";
import { LedgerStore } from "../../src/consent/ledger/store.ts";
import type { ConsentEvent } from "../../src/model/consent-record.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../src/model/ids.ts";
import type { StandingHold } from "../../src/rights/erasure/ports.ts";
import { verifyReceipt } from "../../src/rights/receipts/signer.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { CONSENT, consentStore, device, everythingIn, subject } from "./consent-fixture.ts";
import { EPOCH_MS, erasuresOn, keyring, never, signer } from "./erasure-fixture.ts";

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

async function someone(): Promise<{ tag: SubjectTag; hub: DeviceKey; former: DeviceKey; key: string }> {
  const [tag, hub, former] = [subject(randomUUID()), device(randomUUID()), device(randomUUID())];
  const ledger = ledgerOf();
  await ledger.bind(tag, former);
  await ledger.bind(tag, hub);
  await ledger.give(tag, CONSENT);
  await ledger.unbind(tag, former);
  return { tag, hub, former, key: (await store().redis.hget(store().keyspace.subject(tag), "key")) ?? "" };
}

/** Any change of one event; this one can be read no more. */
async function breakChain(tag: SubjectTag, at = 2): Promise<void> {
  await store().redis.lset(store().keyspace.ledger(tag), at, '{"type":"erasure-requested"');
  await expect(ledgerOf().record(tag)).rejects.toMatchObject({ code: "LEDGER_BROKEN" });
}

async function typesOf(tag: SubjectTag): Promise<ConsentEvent["type"][]> {
  return (await new LedgerStore(store().redis, store().keyspace).read(tag)).events.map(({ type }) => type);
}

function world(held: () => Promise<StandingHold | undefined> = async () => undefined) {
  const removed: Pseudonym[] = [];
  const remove = async (names: readonly Pseudonym[]) => {
    removed.push(...names);
    return "verified" as const;
  };
  const sink = { name: "influx", region: "IN", rowDelete: async () => "sync" as const, countRows: async () => 1 };
  const fixture = erasuresOn(store(), { sinks: [{ ...sink, removeDevices: remove }], hold: held });
  return { ...fixture, removed };
}

async function ask({ erasures }: ReturnType<typeof world>, tag: SubjectTag): Promise<string> {
  const answer = await erasures.request(tag, BY_SUBJECT);
  if (answer.refused !== undefined) throw new Error(answer.refused);
  return answer.status.id;
}

test("everything that can have been theirs goes, the key too, and a new record begins behind what is left of the old", async () => {
  const { tag, hub, former, key } = await someone();
  const { redis, keyspace } = store();
  await breakChain(tag);
  const before = await redis.lrange(keyspace.ledger(tag), 0, -1);
  const gateway = world();
  const signed = await gateway.finish(await ask(gateway, tag));
  expect(verifyReceipt(signed, signer.publicKey.pem).valid).toBe(true);
  expect(signed.receipt).toMatchObject({ record: "unverifiable", keyDestroyed: true, policyVersion: 0 });
  const now = Math.floor(Date.now() / EPOCH_MS);
  // No one can say since when.
  for (const one of [hub, former])
    for (const epoch of [now, now - 500])
      expect(gateway.removed).toContain(keyring.pseudonym(key, one, "analytics", epoch));
  expect(await everythingIn(redis)).not.toContain(key);

  const ledger = await new LedgerStore(redis, keyspace).read(tag);
  expect(await typesOf(tag)).toEqual(["withdrawn", "bound", "unbound", "bound", "erasure-requested", "erased"]);
  expect(ledger.events[0]).toMatchObject({ anew: true, by: "controller" });
  expect([...ledger.state.devices]).toEqual([hub]);
  expect(signed.receipt.ledgerHead).toBe(ledger.head);
  // Numbers go on: what was admitted before counts as admitted before.
  expect(ledger.state.revision).toBe(before.length + ledger.events.length);
  expect((await redis.lrange(keyspace.ledger(tag), 0, -1)).slice(0, before.length)).toEqual(before);

  await ledgerOf().give(tag, CONSENT);
  expect((await ledgerOf().record(tag))?.consent?.state).toBe("given");
  expect(await redis.get(keyspace.decision(tag, hub))).toMatch(/^3\|given\|/);
  const events = await redis.lrange(keyspace.ledger(tag), 0, -1);
  const head = (await redis.hget(keyspace.subject(tag), "head")) ?? "";
  const rebuilt = rebuildSubject(
    { tag, head, events, wrappedSubjectKey: "key" },
    { withdraw: false, fence: 0, party: undefined, erasures: [], holds: [] },
    Date.now(),
  );
  expect(rebuilt).toMatchObject({ head, devices: [hub] });
});

test("what lies before the new record cannot be changed unnoticed either", async () => {
  const { tag } = await someone();
  await breakChain(tag);
  const gateway = world();
  await gateway.finish(await ask(gateway, tag));
  await breakChain(tag, 0);
});

test("one that breaks while an erasure runs does not stop it", async () => {
  const { tag, key } = await someone();
  const { redis, keyspace } = store();
  const holds = new LedgerHolds(redis, keyspace, { journal: NO_JOURNAL, now: Date.now });
  const gateway = world(async () => ((await holds.standing(tag)).length > 0 ? { until: 1 } : undefined));
  const id = await ask(gateway, tag);
  await breakChain(tag);
  const { receipt } = await gateway.finish(id);
  expect(receipt).toMatchObject({ keyDestroyed: true, sinks: [{ verified: true }] });
  expect(await everythingIn(redis)).not.toContain(key);
  expect(await typesOf(tag)).toEqual(["withdrawn", "bound", "unbound", "bound", "erased"]);
});

test.each([2, 4])("a legal hold goes on, whether or not its own event can be read (%s)", async (at) => {
  const { tag, key } = await someone();
  const { redis, keyspace } = store();
  const holds = new LedgerHolds(redis, keyspace, { journal: NO_JOURNAL, now: Date.now });
  const until = Date.now() + 1_000_000;
  await holds.place(tag, { ref: "court:1", until });
  await redis.zadd(keyspace.heldSubjects, until, tag);
  await breakChain(tag, at);
  const gateway = world(async () => ((await holds.standing(tag)).length > 0 ? { until } : undefined));
  const id = await ask(gateway, tag);
  expect(await gateway.erasures.advance(id, never)).toBeGreaterThan(0);
  expect(await gateway.erasures.status(id)).toMatchObject({ state: "held" });
  expect(gateway.removed).toEqual([]);
  expect(await redis.hget(keyspace.erasure(tag, id), "key")).toBe(key);
  for (const { ref } of await holds.standing(tag)) await holds.release(tag, ref);
  expect((await gateway.finish(id)).receipt).toMatchObject({ record: "unverifiable", keyDestroyed: true });
});

test("with its key gone as well, nothing is claimed about what may be stored", async () => {
  const { tag } = await someone();
  await store().redis.del(store().keyspace.subject(tag));
  const gateway = world();
  const { receipt } = await gateway.finish(await ask(gateway, tag));
  expect(receipt).toMatchObject({ record: "unverifiable", sinks: [{ method: "unlinkable", verified: false }] });
});

test("a store that took the order to delete and cannot be asked whether it did is not called verified", async () => {
  const { tag } = await someone();
  const sink = {
    name: "influx",
    region: "IN",
    rowDelete: async () => "async" as const,
    countRows: async () => undefined,
  };
  const removeDevices = async () => "accepted" as const;
  const gateway = erasuresOn(store(), { sinks: [{ ...sink, removeDevices }] });
  const asked = await gateway.erasures.request(tag, BY_SUBJECT);
  if (asked.refused !== undefined) throw new Error(asked.refused);
  const { receipt } = await gateway.finish(asked.status.id);
  expect(receipt.sinks).toMatchObject([{ method: "deleted", verified: false }]);
});

test("a child does not come of age because its record broke", async () => {
  const { tag, hub } = await someone();
  const guardian = { verified: true, method: "vendor-check" };
  await ledgerOf().give(tag, { ...CONSENT, purposes: { scene: ["status"] }, minor: true, guardian });
  const { redis, keyspace } = store();
  await redis.lset(keyspace.ledger(tag), 1, '{"type":"bound"');
  await beginNewChain(redis, keyspace, tag, Date.now());
  await ledgerOf().give(tag, CONSENT);
  expect((await new LedgerStore(redis, keyspace).read(tag)).state.minor).toBe(true);
  const [verdict] = await consentCheck(store().gate)([{ subjectTag: tag, deviceKey: hub }]);
  expect(verdict?.refusal).toBe("guardian-missing");
});
