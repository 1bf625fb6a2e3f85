/**
 * A Redis that answers and does not write is told of as that: in `/readyz`, with its cause in the log, and with CONNACK 3.
 * No one who is connected is thrown out and let in again; once it writes, everything goes on by itself.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GATEWAY_USER, gatewayRights } from "../../tools/stack/redis-users.ts";
import { until } from "../fixtures/eventually.ts";
import { consentTo, type Device, EVERYTHING, name, startSystem, type TestSystem } from "../fixtures/system.ts";

const SECONDS = 20_000;
let system: TestSystem;
let device: Device;

beforeAll(async () => {
  system = await startSystem({ redis: { commandTimeoutMs: 2_500 }, mqtt: { enqueueDeadlineMs: 10_000 } });
  device = await system.device();
});
afterAll(async () => {
  await system?.stop();
});

interface Cause {
  begin(redis: Redis): Promise<unknown>;
  end(redis: Redis): Promise<unknown>;
}

const NOBODY_FOLLOWS = "10000";
const dump = () => join(system.stack.dir, "redis", "dump.rdb");
const CAUSES: Record<string, Cause> = {
  OOM: {
    begin: (redis) => redis.config("SET", "maxmemory", "1"),
    end: (redis) => redis.config("SET", "maxmemory", "0"),
  },
  READONLY: {
    begin: (redis) => redis.replicaof("127.0.0.1", "1"),
    end: (redis) => redis.replicaof("NO", "ONE"),
  },
  MASTERDOWN: {
    begin: async (redis) => {
      await redis.config("SET", "replica-serve-stale-data", "no");
      await redis.replicaof("127.0.0.1", "1");
    },
    end: async (redis) => {
      await redis.replicaof("NO", "ONE");
      await redis.config("SET", "replica-serve-stale-data", "yes");
    },
  },
  NOREPLICAS: {
    begin: (redis) => redis.config("SET", "min-replicas-to-write", NOBODY_FOLLOWS),
    end: (redis) => redis.config("SET", "min-replicas-to-write", "0"),
  },
  MISCONF: {
    // A snapshot can't take the place of a folder: as little as it can be written on a full disk.
    begin: async (redis) => {
      await mkdir(dump(), { recursive: true });
      await redis.config("SET", "save", "3600 1");
      await redis.bgsave();
    },
    end: async (redis) => {
      await rm(dump(), { recursive: true });
      await redis.config("SET", "save", "");
      await redis.bgsave();
    },
  },
  NOPERM: {
    begin: (redis) => redis.acl("SETUSER", GATEWAY_USER, "-@write"),
    end: async (redis) => redis.acl("SETUSER", GATEWAY_USER, ...(await gatewayRights())),
  },
  TIMEOUT: {
    begin: (redis) => redis.call("CLIENT", "PAUSE", "60000", "WRITE"),
    end: (redis) => redis.call("CLIENT", "UNPAUSE"),
  },
};

async function reasons(): Promise<string[]> {
  const answer = await fetch(`${system.stack.httpUrl}/readyz`);
  return ((await answer.json()) as { reasons: string[] }).reasons;
}

async function logLines(): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(system.stack.dir, "logs", "gateway.log"), "utf8");
  return text.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown[]> {
  const answer = await fetch(`${system.stack.httpUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${system.stack.config.apiToken}`,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return [answer.status, ((await answer.json()) as { code?: string }).code];
}

test.each(Object.entries(CAUSES))("%s is found without a message, and kept waiting for", async (code, cause) => {
  const client = await system.connect(device);
  let closed = 0;
  client.on("close", () => closed++);
  await client.publishAsync(`devices/${device.id}/status`, '{"power_on":true}', { qos: 1 });
  await cause.begin(system.redis);
  await until("it is told", async () => (await reasons()).includes("redis-not-writable"), SECONDS);
  await expect(system.connect(device)).rejects.toThrow(/server unavailable/i);
  const acknowledged = client.publishAsync(`devices/${device.id}/status`, '{"power_on":false}', { qos: 1 });
  const refused = (await logLines()).filter(({ code, stage }) => code === "NOT_WRITABLE" && stage === "queue").at(-1);
  expect(refused).toMatchObject({ level: "error", reason: code, stage: "queue" });
  expect(closed).toBe(0);
  await cause.end(system.redis);
  await acknowledged;
  expect(closed).toBe(0);
  await until("it is over", async () => !(await reasons()).includes("redis-not-writable"), SECONDS);
  await client.endAsync();
});

test("every change is answered 503, by name, and nothing is logged as a fault without a place", async () => {
  await CAUSES.OOM?.begin(system.redis);
  await until("it is told", async () => (await reasons()).includes("redis-not-writable"), SECONDS);
  const subject = `/v1/subjects/${device.subject}`;
  const told = [503, "not-writable"];
  expect(await ask("PUT", `${subject}/devices/${name("device")}`)).toEqual(told);
  expect(await ask("POST", `/v1/devices/${device.id}/token`)).toEqual(told);
  expect(await ask("POST", `${subject}/consents`, consentTo(EVERYTHING))).toEqual(told);
  expect(await ask("POST", `${subject}/withdrawals`, { by: "subject", method: "app" })).toEqual(told);
  expect(await ask("POST", `${subject}/erasures`, { by: "subject", method: "app" })).toEqual(told);
  expect(await system.metric("redis_not_writable")).toBe(1);
  await CAUSES.OOM?.end(system.redis);
  await until("it is over", async () => !(await reasons()).includes("redis-not-writable"), SECONDS);
  const lines = (await logLines()).filter(({ level }) => level !== "info");
  expect(lines.filter(({ code, stage }) => code === "FAULT" || (code !== undefined && stage === undefined))).toEqual(
    [],
  );
  expect(await system.metric("redis_not_writable")).toBe(0);
});

test("however long it lasts, a device that publishes is not let in before it can be heard", async () => {
  const other = await system.device();
  const client = await system.connect(other, { reconnectPeriod: 50, reconnectOnConnackError: true });
  let connects = 0;
  let refusals = 0;
  client.on("connect", () => connects++);
  client.on("error", () => refusals++);
  await CAUSES.OOM?.begin(system.redis);
  const acknowledged = client.publishAsync(`devices/${other.id}/status`, '{"power_on":true}', { qos: 1 });
  // Its message has waited for as long as a message may, and it has tried to come back since.
  await until("it was refused again and again", () => refusals >= 5, 2 * SECONDS);
  expect(connects).toBe(0);
  await CAUSES.OOM?.end(system.redis);
  await acknowledged;
  expect(connects).toBe(1);
  await client.endAsync();
});

test("a gateway does not start on one, and says why", async () => {
  await system.stack.gateway.stop();
  await CAUSES.READONLY?.begin(system.redis);
  await expect(system.stack.startGateway()).rejects.toThrow(/ended with 1[\s\S]*NOT_WRITABLE: READONLY/);
  await CAUSES.READONLY?.end(system.redis);
  await system.stack.startGateway();
  expect(await reasons()).toEqual([]);
});
