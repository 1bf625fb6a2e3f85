/** Promise: a token opens its own device and nothing else, and cannot be read back from Redis. */
import { once } from "node:events";
import { expect, test } from "vitest";
import { connectRedis } from "../../src/platform/redis.ts";
import { tokenOf } from "../fixtures/token.ts";
import { consentStore, device, everythingIn, lookup, subject } from "./consent-fixture.ts";

const { store, server } = consentStore();
const HUB = device("hub-1");
const LOCK = device("lock-1");

test("the token issued last opens the device; older and foreign ones do not", async () => {
  const { credentials } = store();
  const first = await tokenOf(credentials, HUB);
  expect(first).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(await credentials.verify(HUB, first)).toMatchObject({ subjectTag: undefined });
  const second = await tokenOf(credentials, HUB);
  expect(await credentials.verify(HUB, first)).toBeUndefined();
  expect(await credentials.verify(HUB, second)).toBeDefined();
  await tokenOf(credentials, LOCK);
  expect(await credentials.verify(LOCK, second)).toBeUndefined();
});

test.each(["", "x", "A".repeat(43), "A".repeat(100_000), "__proto__"])(
  "token number %# that was never issued is refused",
  async (token) => {
    const { credentials } = store();
    expect(await credentials.verify(HUB, token)).toBeUndefined();
    await tokenOf(credentials, HUB);
    expect(await credentials.verify(HUB, token)).toBeUndefined();
  },
);

test("a MAC copied to another device opens nothing there", async () => {
  const { credentials, redis, keyspace } = store();
  const token = await tokenOf(credentials, HUB);
  await redis.hset(keyspace.credential(LOCK), "mac", (await redis.hget(keyspace.credential(HUB), "mac")) ?? "");
  expect(await credentials.verify(LOCK, token)).toBeUndefined();
});

test("tells the subject a device is bound to, and keeps that over a new token", async () => {
  const { credentials, ledger } = store();
  await ledger.bind(subject("anna"), HUB);
  const token = await tokenOf(credentials, HUB);
  expect(await credentials.verify(HUB, token)).toMatchObject({ subjectTag: subject("anna") });
});

test("tells how a device speaks, and a token issued without it takes it away", async () => {
  const { credentials, ledger } = store();
  const alias = lookup.aliasMac(HUB, "tasmota_3D5E26");
  const first = await tokenOf(credentials, HUB, { dialect: "tasmota", alias, presence: true });
  expect(await credentials.verify(HUB, first)).toMatchObject({ dialect: "tasmota", alias, presence: true });
  const second = await tokenOf(credentials, HUB, { dialect: "tasmota" });
  expect(await credentials.verify(HUB, second)).toMatchObject({
    dialect: "tasmota",
    alias: undefined,
    presence: false,
  });
  const native = await tokenOf(credentials, HUB);
  const plain = { dialect: undefined, alias: undefined, presence: false };
  expect(await credentials.verify(HUB, native)).toMatchObject(plain);
  // It is the word of the owner whose token it came with.
  await ledger.bind(subject("anna"), HUB);
  await tokenOf(credentials, HUB, { dialect: "tasmota", alias, presence: true });
  await ledger.bind(subject("boris"), HUB);
  expect(await everythingIn(store().redis)).not.toMatch(/tasmota|presence/);
});

test("issuing ends the running session of that device", async () => {
  const { credentials, keyspace } = store();
  const listener = connectRedis(server().url, "subscriber");
  await listener.connect();
  await listener.subscribe(keyspace.sessionEnd);
  const told = once(listener, "message");
  await tokenOf(credentials, HUB);
  expect(await told).toEqual([keyspace.sessionEnd, HUB]);
  listener.disconnect();
});

test("Redis holds no token", async () => {
  const { credentials, redis } = store();
  const token = await tokenOf(credentials, HUB);
  expect(await everythingIn(redis)).not.toContain(token);
});

test("an outage is a fault, never a refusal", async () => {
  const { credentials, redis } = store();
  const token = await tokenOf(credentials, HUB);
  redis.disconnect();
  await expect(credentials.verify(HUB, token)).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
});
