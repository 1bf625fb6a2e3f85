/** Promise: a receipt says "deleted" and "verified" only of what was looked for; what could not be is `unlinkable`. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { rebuildSubject } from "../../src/consent/ledger/rebuild.ts";
import { GatewayError } from "../../src/model/errors.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../src/model/ids.ts";
import { DifferingClocks } from "../../src/rights/erasure/differing-clocks.ts";
import type { ErasableSink, ErasurePorts } from "../../src/rights/erasure/ports.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { CONSENT, consentStore, device, subject } from "../integration/consent-fixture.ts";
import { EPOCH_MS, erasuresOn, keyring } from "../integration/erasure-fixture.ts";

const { store } = consentStore();
const DAY_MS = 86_400_000;

function ledgerAt(aheadMs = 0): Ledger {
  const { redis, keyspace } = store();
  const createSubjectKey = () => keyring.createSubjectKey();
  return new Ledger(redis, keyspace, {
    journal: NO_JOURNAL,
    createSubjectKey,
    now: () => Date.now() + aheadMs,
    controller: "vendor",
    expiryDays: 365,
  });
}

async function someone(aheadMs = 0): Promise<{ tag: SubjectTag; hub: DeviceKey }> {
  const [tag, hub] = [subject(randomUUID()), device(randomUUID())];
  await ledgerAt(aheadMs).bind(tag, hub);
  await ledgerAt(aheadMs).give(tag, CONSENT);
  return { tag, hub };
}

const keyOf = async (tag: SubjectTag) => (await store().redis.hget(store().keyspace.subject(tag), "key")) ?? "";
const nameOf = (key: string, hub: DeviceKey, atMs = Date.now()) =>
  keyring.pseudonym(key, hub, "analytics", Math.floor(atMs / EPOCH_MS));

async function erased(tag: SubjectTag, more: Partial<ErasableSink> = {}, ports: Partial<ErasurePorts> = {}) {
  const asked: Pseudonym[] = [];
  const sink: ErasableSink = {
    name: "influx",
    region: "IN",
    rowDelete: async () => "sync",
    countRows: async () => 1,
    removeDevices: async (names) => {
      asked.push(...names);
      return "verified";
    },
    ...more,
  };
  const fixture = erasuresOn(store(), { sinks: [sink], ...ports });
  await fixture.records.useEpochLength(EPOCH_MS);
  const answer = await fixture.erasures.request(tag, { by: "subject", method: "api" });
  if (answer.refused !== undefined) throw new Error(answer.refused);
  let faults = 0;
  for (;;) {
    try {
      const { receipt } = await fixture.finish(answer.status.id);
      return { receipt, asked, faults };
    } catch (error) {
      faults += 1;
      if (!(error instanceof GatewayError) || faults > 3) throw error;
    }
  }
}

test("after a restore without the key: nothing is found, so nothing is called deleted, and no service told", async () => {
  const { tag } = await someone();
  await store().redis.hdel(store().keyspace.subject(tag), "key");
  const { receipt, asked } = await erased(tag, {}, { services: (purpose) => (purpose === "scene" ? ["hall"] : []) });
  expect(asked).toEqual([]);
  expect(receipt.sinks).toMatchObject([{ method: "unlinkable", verified: false, rowsDeleted: 0 }]);
  expect(receipt.services).toEqual([{ purpose: "scene", notified: 0, acknowledged: 0, unacknowledged: 1 }]);
});

test("consent given again after such a restore: the new rows are deleted, the old ones not claimed", async () => {
  const { tag, hub } = await someone();
  const { redis, keyspace } = store();
  const events = await redis.lrange(keyspace.ledger(tag), 0, -1);
  const head = (await redis.hget(keyspace.subject(tag), "head")) ?? "";
  // As a restore without keys writes it.
  const none = { withdraw: false, fence: 0, party: undefined, holds: [], erasures: [] };
  const rebuilt = rebuildSubject({ tag, head, events, wrappedSubjectKey: undefined }, none, Date.now());
  await redis.del(keyspace.ledger(tag));
  await redis.rpush(keyspace.ledger(tag), ...rebuilt.events);
  await redis.hset(keyspace.subject(tag), "head", rebuilt.head);
  await redis.hdel(keyspace.subject(tag), "key");
  await ledgerAt().give(tag, CONSENT);
  const key = await keyOf(tag);
  const { receipt, asked } = await erased(tag);
  expect(asked).toContain(nameOf(key, hub));
  expect(receipt.sinks).toMatchObject([{ method: "unlinkable", verified: false }]);
  // What comes after that erasure is known again.
  await ledgerAt().give(tag, CONSENT);
  expect((await erased(tag)).receipt.sinks).toMatchObject([{ method: "deleted", verified: true }]);
});

test("a restore with the key, or of someone who never consented, is no reason for doubt", async () => {
  const { tag } = await someone();
  const { redis, keyspace } = store();
  const events = await redis.lrange(keyspace.ledger(tag), 0, -1);
  const head = (await redis.hget(keyspace.subject(tag), "head")) ?? "";
  const none = { withdraw: true, fence: 0, party: undefined, holds: [], erasures: [] };
  const rebuilt = rebuildSubject({ tag, head, events, wrappedSubjectKey: "key" }, none, Date.now());
  expect(rebuilt.events.join()).not.toContain("restore-without-key");
  const stranger = subject(randomUUID());
  await ledgerAt().bind(stranger, device(randomUUID()));
  expect((await erased(stranger)).receipt.sinks).toMatchObject([{ method: "deleted", verified: true }]);
});

test.each([1, 30, 365, 40_000])(
  "a clock %i days ahead at consent: what was stored since is looked for",
  async (days) => {
    const { tag, hub } = await someone(days * DAY_MS);
    const key = await keyOf(tag);
    const { receipt, asked } = await erased(tag);
    expect(asked).toContain(nameOf(key, hub));
    // No one knows when it was: anything that can still be there.
    expect(asked).toContain(nameOf(key, hub, Date.now() - 300 * DAY_MS));
    expect(receipt.sinks).toMatchObject([{ method: "deleted", verified: true }]);
  },
);

test("a clock that was ahead and is right again is told by what was written after it", async () => {
  const { tag, hub } = await someone(60 * DAY_MS);
  await ledgerAt(-20 * DAY_MS).withdraw(tag, {});
  const key = await keyOf(tag);
  // By now that day has come.
  const later = () => Date.now() + 61 * DAY_MS;
  const { asked } = await erased(tag, {}, { now: later });
  expect(asked).toContain(nameOf(key, hub, Date.now() - 20 * DAY_MS));
  expect(asked).toContain(nameOf(key, hub));
});

test("a gateway whose clock differs from that of Redis leaves a note for good: its names are looked for", async () => {
  const { tag, hub } = await someone();
  const key = await keyOf(tag);
  const { records } = erasuresOn(store());
  const lines: string[] = [];
  const log = { info: () => {}, warn: () => {}, error: (event: string) => void lines.push(event) };
  const window = { clockWindowPastMs: 0, clockWindowFutureMs: 0 };
  const ahead = new DifferingClocks(store().redis, records, window, log, () => Date.now() + 50 * DAY_MS);
  await ahead.note();
  expect(lines).toEqual(["clock differs from that of Redis"]);
  const { asked } = await erased(tag);
  expect(asked).toContain(nameOf(key, hub, Date.now() + 50 * DAY_MS));
  expect(asked).toContain(nameOf(key, hub, Date.now() - 50 * DAY_MS));
});

test("clocks that were ahead together, ours and that of Redis, leave a note once they are right again", async () => {
  const showing = (aheadMs: number) => {
    const now = () => Date.now() + aheadMs;
    const redis = { time: async () => [Math.floor(now() / 1_000), 0] as [number, number] };
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const window = { clockWindowPastMs: 0, clockWindowFutureMs: 0 };
    return new DifferingClocks(redis as never, erasuresOn(store()).records, window, log, now);
  };
  const { records } = erasuresOn(store());
  await showing(0).note();
  await showing(60 * DAY_MS).note();
  expect((await records.times()).clockWindowPastMs).toBe(0);
  const { tag, hub } = await someone(60 * DAY_MS);
  const key = await keyOf(tag);
  await showing(0).note();
  // Nothing was written to the ledger since, and that day has come.
  const { asked } = await erased(tag, {}, { now: () => Date.now() + 61 * DAY_MS });
  expect(asked).toContain(nameOf(key, hub));
});

test.each(["drain", "delete", "sweep"])(
  "an erasure restored at %s, its key destroyed since: what the run before saw is not claimed",
  async (step) => {
    const { tag } = await someone();
    const { redis, keyspace } = store();
    const { erasures, records, finish } = erasuresOn(store(), {
      sinks: [
        {
          name: "influx",
          region: "IN",
          rowDelete: async () => "sync",
          countRows: async () => 5,
          removeDevices: async () => "verified",
        },
      ],
    });
    await records.useEpochLength(EPOCH_MS);
    const answer = await erasures.request(tag, { by: "subject", method: "api" });
    if (answer.refused !== undefined) throw new Error(answer.refused);
    const { id } = answer.status;
    const record = keyspace.erasure(tag, id);
    // As a restore writes it: the fields of the backup, and what the journal knows.
    if (step === "sweep")
      await redis.hset(record, { "rows:influx": 5, "method:influx": "deleted", "verified:influx": 1 });
    await redis.hset(record, { step, destroyedAt: Date.now() });
    await redis.hdel(record, "key");
    const receipt = await finish(id).then(({ receipt }) => receipt);
    expect(receipt).toMatchObject({ keyDestroyed: true, sinks: [{ method: "unlinkable", verified: false }] });
    expect(await records.open()).toEqual([]);
  },
);

test("rows that no one could count are deleted all the same, and the receipt says that no one counted", async () => {
  const { tag } = await someone();
  const away = async () => {
    throw new GatewayError("SINK_UNAVAILABLE", "no answer");
  };
  const { receipt, asked, faults } = await erased(tag, { countRows: away });
  expect(asked.length).toBeGreaterThan(0);
  expect(faults).toBe(1);
  expect(receipt.sinks).toMatchObject([{ method: "deleted", verified: true, rowsDeleted: 0, uncounted: true }]);
  const blind = await someone();
  const silent = await erased(blind.tag, { countRows: async () => undefined });
  expect(silent.receipt.sinks).toMatchObject([{ rowsDeleted: 0, uncounted: true }]);
});
