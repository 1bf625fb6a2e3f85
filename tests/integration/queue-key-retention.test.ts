/** Promise: a queue key that has sealed for long enough yields to a new one, and goes when nothing needs it any more. */
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { AuditAct } from "../../src/model/audit.ts";
import { addQueueKey } from "../../src/platform/keys/changes.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import { type Keyspace, keyspaceOf } from "../../src/platform/keyspace.ts";
import { queueKeyRetention } from "../../src/wiring/queue-keys.ts";
import type { PrivateServer } from "../../tools/private-servers/services.ts";
import { connectPatiently } from "../fixtures/patient-redis.ts";
import { startUnsyncedRedis } from "../fixtures/unsynced-redis.ts";

const never = new AbortController().signal;
let root: string;
let server: PrivateServer;
let redis: Redis;
let keyspace: Keyspace;
let dir: string;
let acts: AuditAct[];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "consentry-queue-keys-"));
  server = await startUnsyncedRedis(join(root, "redis"));
  redis = connectPatiently(server.url, "store");
  await redis.connect();
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
  await rm(root, { recursive: true, force: true });
});
beforeEach(async () => {
  dir = join(root, randomUUID());
  keyspace = keyspaceOf(`t-${randomUUID().slice(0, 8)}`);
  acts = [];
  readKeys(dir, { create: true });
});

function retention(queueKeyDays = 30) {
  const { retention: rest } = loadConfig({ file: undefined, env: { CONSENTRY_HTTP_TOKEN: "-".repeat(64) } });
  const config = { keys: { dir, create: false }, retention: { ...rest, queueKeyDays } };
  return queueKeyRetention({ config, redis, keyspace, audit: { note: async (act) => void acts.push(act) } });
}

const files = async () => (await readdir(join(dir, "queue"))).sort();
const age = (id: string, days: number) =>
  utimes(join(dir, "queue", `${id}.key`), new Date(), new Date(Date.now() - days * 86_400_000));
const told = () => acts.map(({ act, detail }) => [act, detail?.key]);

async function report(queue: readonly string[], sealing: readonly string[]): Promise<void> {
  await redis.zadd(keyspace.gateways, Date.now() + 60_000, "g");
  const prints = Object.fromEntries(queue.map((id) => [id, "x"]));
  await redis.hset(keyspace.gatewayReports, "g", JSON.stringify({ queue: prints, sealing, masters: [], wrapping: "" }));
}

test("a key is replaced when it is old enough, and a dry run only says so", async () => {
  await age("q0001", 29);
  expect(await retention().due(never)).toBe(0);
  await age("q0001", 31);
  expect([await retention(0).due(never), await retention().due(never), await files()]).toEqual([0, 1, ["q0001.key"]]);
  expect(await retention().run(never)).toEqual({ state: "done", count: 1 });
  expect(await files()).toEqual(["q0001.key", "q0002.key"]);
  expect(told()).toEqual([["key-rotated", "q0002"]]);
});

test("a former key stays while a gateway seals under it or something is sealed under it, and goes then", async () => {
  addQueueKey(dir);
  await report(["q0001"], ["q0001"]);
  expect(await retention().run(never)).toEqual({ state: "done", count: 0 });
  await report(["q0001", "q0002"], ["q0002"]);
  const letter = { reason: "poison", at: 1, messages: 1, sealed: { k: "q0001", s: "" }, deviceKey: "" };
  await redis.hset(keyspace.deadLetters, "x", JSON.stringify(letter));
  expect(await retention().run(never)).toEqual({ state: "done", count: 0 });
  await redis.hdel(keyspace.deadLetters, "x");
  expect([await retention().due(never), await files()]).toEqual([1, ["q0001.key", "q0002.key"]]);
  expect(await retention().run(never)).toEqual({ state: "done", count: 1 });
  expect([await files(), told()]).toEqual([["q0002.key"], [["key-destroyed", "q0001"]]]);
});

test("none is made while a gateway holds one that is not here: it is being handed round", async () => {
  await age("q0001", 31);
  await report(["q0001", "q0002"], ["q0001"]);
  expect(await retention().run(never)).toEqual({ state: "done", count: 0 });
  await report(["q0001"], ["q0001"]);
  expect(await retention().due(never)).toBe(1);
});
