/** The depth of the queue: exact while it is short, close enough and equally cheap when it is long. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { Backlog } from "../../src/queue/backlog.ts";
import { halfOf, JobIds } from "../../src/queue/job.ts";
import type { PrivateServer } from "../../tools/private-servers/services.ts";
import { startUnsyncedRedis } from "../fixtures/unsynced-redis.ts";

const keyspace = keyspaceOf("consentry");
const list = `${keyspace.queuePrefix}:${keyspace.queueName}:wait`;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

let dir: string;
let server: PrivateServer;
let redis: Redis;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "consentry-backlog-"));
  server = await startUnsyncedRedis(dir);
  redis = new Redis(server.url);
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

beforeEach(() => redis.flushall());

const fill = async (count: number, size: (index: number) => { messages: number; bytes: number }): Promise<void> => {
  const jobs = new JobIds();
  const ids = Array.from({ length: count }, (_, index) => jobs.next(size(index)));
  for (let start = 0; start < ids.length; start += 1000) await redis.lpush(list, ...ids.slice(start, start + 1000));
};

test("counts what waits and what is being worked on, exactly", async () => {
  await fill(300, (index) => ({ messages: index, bytes: 10 }));
  await redis.lpush(
    `${keyspace.queuePrefix}:${keyspace.queueName}:active`,
    new JobIds().next({ messages: 7, bytes: 10 }),
  );
  const backlog = new Backlog(redis, keyspace, { maxBytes: 1e9, pollMs: 1000 }, silent);
  expect(await backlog.measure()).toMatchObject({ jobs: 301, messages: (299 * 300) / 2 + 7 });
});

test("names a batch once, whether whole or in parts, until all of it is settled", async () => {
  const jobs = new JobIds();
  const [whole, apart] = [jobs.next({ messages: 8, bytes: 10 }), jobs.next({ messages: 8, bytes: 10 })];
  const half = { messages: 4, bytes: 5 };
  const backlog = new Backlog(redis, keyspace, { maxBytes: 1e9, pollMs: 1000 }, silent);
  await redis.lpush(list, whole);
  await redis.lpush(`${keyspace.queuePrefix}:${keyspace.queueName}:active`, apart);
  const before = new Set(await backlog.batches());
  expect(before.size).toBe(2);
  await redis.lpush(list, halfOf(apart, "a", half), halfOf(apart, "b", half));
  await redis.del(`${keyspace.queuePrefix}:${keyspace.queueName}:active`);
  expect(new Set(await backlog.batches())).toEqual(before);
  await redis.lrem(list, 0, halfOf(apart, "a", half));
  expect(new Set(await backlog.batches())).toEqual(before);
  await redis.lrem(list, 0, halfOf(apart, "b", half));
  expect(await backlog.batches()).toHaveLength(1);
});

test("estimates a long queue from both of its ends", async () => {
  await fill(20_000, (index) => ({ messages: 50 + (index % 11), bytes: 5_000 }));
  const backlog = new Backlog(redis, keyspace, { maxBytes: 1e9, pollMs: 1000 }, silent);
  const { jobs, messages } = await backlog.measure();
  expect(jobs).toBe(20_000);
  expect(Math.abs(messages - 20_000 * 55) / (20_000 * 55)).toBeLessThan(0.02);
});

test("is full over its budget and free again only well below it", async () => {
  const backlog = new Backlog(redis, keyspace, { maxBytes: 1_000_000, pollMs: 1000 }, silent);
  const states: boolean[] = [];
  for (const jobs of [50, 60, -8, -10]) {
    if (jobs > 0) await fill(jobs, () => ({ messages: 1, bytes: 9_000 }));
    else await redis.ltrim(list, -jobs, -1);
    await backlog.measure();
    states.push(backlog.full);
  }
  // 0.5, 1.1, 1.02 and 0.92 of the budget: the last is still above the mark of relief.
  expect(states).toEqual([false, true, true, true]);
  await redis.ltrim(list, 10, -1);
  await backlog.measure();
  expect(backlog.full).toBe(false);
});
