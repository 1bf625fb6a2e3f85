/** Promise: what was dead-lettered for a device under a legal hold outlives every retention, until the hold ends. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { LedgerHolds } from "../../src/consent/ledger/holds.ts";
import type { RawMessage } from "../../src/model/raw.ts";
import { DeadLetters } from "../../src/queue/dead-letters.ts";
import { Envelope } from "../../src/queue/envelope.ts";
import { heldDevices, heldLetters } from "../../src/rights/holds/held-devices.ts";
import { HeldSubjects } from "../../src/rights/holds/held-subjects.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { CONSENT, consentStore, device, subject } from "./consent-fixture.ts";

const { store } = consentStore();
const ANNA = subject("anna");
const DEVICES = ["hub-1", "hub-2", "hub-3"].map(device);

async function inFuture(days: number, letters: DeadLetters): Promise<number> {
  const { redis, keyspace } = store();
  return letters.expire(Date.now() + days * 86_400_000, () => heldLetters(redis, keyspace));
}

test("the covered devices, also one that has moved on, and no others", async () => {
  const { redis, keyspace, ledger } = store();
  const holds = new LedgerHolds(redis, keyspace, { journal: NO_JOURNAL, now: Date.now });
  const held = new HeldSubjects(redis, keyspace, (tag) => holds.standing(tag));
  const envelope = new Envelope({ active: "q1", all: new Map([["q1", randomBytes(32)]]) });
  const letters = new DeadLetters(redis, keyspace, envelope, { maxBytes: 1e6 });
  for (const key of DEVICES) await ledger.bind(ANNA, key);
  await ledger.give(ANNA, CONSENT);
  const messages = DEVICES.map(
    (deviceKey): RawMessage => ({
      device: { deviceKey, subjectTag: ANNA },
      at: Date.now(),
      sub: 0,
      telemetry: { status: { power_on: true } },
      carried: 8,
    }),
  );
  await letters.add("poison", messages);
  const until = Date.now() + 60_000;
  const [first, second, third] = DEVICES;
  if (first === undefined || second === undefined || third === undefined) throw new Error("devices");

  await held.add(ANNA, until);
  await holds.place(ANNA, { ref: "order:1", until, devices: [first] });
  await holds.place(ANNA, { ref: "order:2", until, devices: [second] });
  await ledger.unbind(ANNA, second);
  expect(await heldDevices(redis, keyspace)).toEqual(new Map([[ANNA, new Set([first, second])]]));
  expect(await letters.older(Date.now() + 1_000, () => heldLetters(redis, keyspace))).toBe(1);
  expect([await inFuture(1, letters), await letters.count()]).toEqual([1, 2]);

  await holds.release(ANNA, "order:1");
  expect([await inFuture(1, letters), await letters.count()]).toEqual([1, 1]);
  await holds.place(ANNA, { ref: "order:3", until });
  expect(await heldDevices(redis, keyspace)).toEqual(new Map([[ANNA, new Set(DEVICES)]]));
  await holds.release(ANNA, "order:2");
  await holds.release(ANNA, "order:3");
  expect(await held.renew(ANNA)).toBe(false);
  expect(await heldDevices(redis, keyspace)).toEqual(new Map());
  expect([await inFuture(1, letters), await letters.count()]).toEqual([1, 0]);
});
