/** Promise: one round trip per batch, nothing cached, and whatever cannot be read denies. */
import { expect, test } from "vitest";
import { decide } from "../../src/consent/decision/decide.ts";
import { CONSENT, consentStore, device, subject } from "./consent-fixture.ts";

const { store } = consentStore();
const ANNA = subject("anna");
const HUB = device("hub-1");
const BULB = device("bulb-1");
const refs = [
  { subjectTag: ANNA, deviceKey: HUB },
  { subjectTag: ANNA, deviceKey: device("never-seen") },
  { subjectTag: subject("boris"), deviceKey: BULB },
];

test("answers in the order asked, with the floors, and sees a withdrawal at once", async () => {
  const { gate, ledger } = store();
  await ledger.bind(ANNA, HUB);
  await ledger.give(ANNA, CONSENT);
  const { decisions, floors } = await gate.read(refs);
  expect(decisions.map((decision) => decision?.state)).toEqual(["given", undefined, undefined]);
  expect(floors).toEqual({ analytics: 1, weather: 1, scene: 1, network: 1 });
  expect(decide(decisions[0], floors, Date.now()).refusal).toBeUndefined();

  await ledger.withdraw(ANNA, {});
  const after = await gate.read(refs);
  expect(decide(after.decisions[0], after.floors, Date.now())).toEqual({ refusal: "consent-withdrawn" });
});

test("is one command for any number of devices", async () => {
  const { gate, redis } = store();
  const calls = async () => {
    const stats = await redis.info("commandstats");
    return [...stats.matchAll(/^cmdstat_(?!info|command|hello|client)(\S+):calls=(\d+)/gm)].reduce(
      (sum, [, , n]) => sum + Number(n),
      0,
    );
  };
  const before = await calls();
  await gate.read(Array.from({ length: 500 }, (_, index) => ({ subjectTag: ANNA, deviceKey: device(`d${index}`) })));
  expect((await calls()) - before).toBe(1);
});

test("without floors every consent is superseded", async () => {
  const { gate, ledger, redis, keyspace } = store();
  await ledger.bind(ANNA, HUB);
  await ledger.give(ANNA, CONSENT);
  for (const damage of [
    () => redis.del(keyspace.policyFloors),
    () => redis.set(keyspace.policyFloors, "0,0,0"),
    () => redis.set(keyspace.policyFloors, "x,1,1,1"),
  ]) {
    await damage();
    const { decisions, floors } = await gate.read(refs);
    expect(decide(decisions[0], floors, Date.now())).toEqual({ refusal: "policy-superseded" });
  }
});

test("a record that was damaged denies", async () => {
  const { gate, ledger, redis, keyspace } = store();
  await ledger.bind(ANNA, HUB);
  await ledger.give(ANNA, CONSENT);
  await redis.append(keyspace.decision(ANNA, HUB), "|");
  expect((await gate.read(refs)).decisions[0]).toBeUndefined();
});

test("while Redis is away it throws instead of answering", async () => {
  const { gate, redis } = store();
  redis.disconnect();
  await expect(gate.read(refs)).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
});
