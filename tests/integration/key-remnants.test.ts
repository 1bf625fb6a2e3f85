/** What a deleted key leaves in the files of Redis, and that it is gone after they were rewritten. */
import { randomBytes, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { KeyRemnants } from "../../src/rights/erasure/key-remnants.ts";
import { consentStore, onDisk, subject } from "./consent-fixture.ts";
import { never } from "./erasure-fixture.ts";

const { store, server } = consentStore();
const quiet = { info: () => {}, warn: () => {}, error: () => {} };

test("a deleted key is still in the file, until it is cleared", async () => {
  const { redis, keyspace } = store();
  const remnants = new KeyRemnants(redis, keyspace, quiet);
  const [tag, key] = [subject(randomUUID()), randomBytes(40).toString("base64url")];
  await redis.hset(keyspace.subject(tag), "key", key, "head", "kept-head");
  await redis.hdel(keyspace.subject(tag), "key");
  expect(await onDisk(store().redis, key)).toBe(true);
  // No one said that there is something to clear.
  expect(await remnants.clear(never)).toBe(true);
  expect(await onDisk(store().redis, key)).toBe(true);

  await remnants.mark();
  expect(await remnants.clear(never)).toBe(true);
  expect(await onDisk(store().redis, key)).toBe(false);
  expect(await onDisk(store().redis, "kept-head")).toBe(true);
  expect(await redis.exists(keyspace.keyRemnants)).toBe(0);
});

test("a key that is deleted while the file is rewritten is dealt with the next time", async () => {
  const { redis, keyspace } = store();
  const remnants = new KeyRemnants(redis, keyspace, quiet);
  await remnants.mark();
  const clearing = remnants.clear(never);
  await remnants.mark();
  await clearing;
  expect(await redis.exists(keyspace.keyRemnants)).toBe(1);
  expect(await remnants.clear(never)).toBe(true);
  expect(await redis.exists(keyspace.keyRemnants)).toBe(0);
});

test("a server that does not let itself be asked is asked again later", async () => {
  const { redis, keyspace } = store();
  const logged: string[] = [];
  const remnants = new KeyRemnants(redis, keyspace, { ...quiet, warn: (event) => void logged.push(event) });
  await redis.call("ACL", "SETUSER", "modest", "on", ">modest", "~*", "&*", "+@all", "-bgrewriteaof");
  await redis.call("AUTH", "modest", "modest");
  await remnants.mark();
  expect(await remnants.clear(never)).toBe(false);
  expect(await redis.exists(keyspace.keyRemnants)).toBe(1);
  expect(logged).toEqual(["append-only file not rewritten"]);
  expect(server().port).toBeGreaterThan(0);
});
