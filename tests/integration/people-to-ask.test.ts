/**
 * Promise: how many people have to be asked again is told in whole tens and of people, not of devices or messages, so that the alarm that
 * hangs on it (`ConsentryPolicySuperseded`) says nothing of one person or one household.
 */
import { expect, test } from "vitest";
import { Suspensions } from "../../src/consent/ledger/suspensions.ts";
import { CONSENT, consentStore, device, shippedPolicy, subject } from "./consent-fixture.ts";

const { store } = consentStore();

async function consenting(person: string, devices = 1): Promise<void> {
  const { ledger } = store();
  const tag = subject(person);
  for (let n = 0; n < devices; n += 1) await ledger.bind(tag, device(`${person}-${n}`));
  await ledger.give(tag, CONSENT);
}

test.each([
  [9, 0],
  [10, 10],
  [19, 10],
])("of %i people, one of them with thirty devices, it says %i", async (all, told) => {
  const { redis, keyspace, policies } = store();
  const suspensions = new Suspensions(redis, keyspace, { now: Date.now });
  await consenting("household", 30);
  for (let n = 1; n < all; n += 1) await consenting(`person-${n}`);
  await suspensions.survey();
  expect(await suspensions.people()).toBe(0);
  const change = { kind: "material", summary: "Scenes are told more.", affects: ["scene", "weather"] };
  const next = { ...JSON.parse(shippedPolicy.toString("utf8")), version: 2, change };
  await policies.publish(Buffer.from(JSON.stringify(next)));
  await suspensions.survey();
  expect(await suspensions.counts()).toMatchObject({ scene: 29 + all, weather: 29 + all });
  expect(await suspensions.people()).toBe(told);
});

test("what was put there from outside is no number of people", async () => {
  const { redis, keyspace } = store();
  await redis.hset(keyspace.devicesSuspended, "people", "many");
  expect(await new Suspensions(redis, keyspace, { now: Date.now }).people()).toBe(0);
});
