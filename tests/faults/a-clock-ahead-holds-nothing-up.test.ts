/** Promise: what a clock that was ahead has noted is not waited for until that day, and one clock ahead ends nothing early. */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import type { ErasureStep } from "../../src/model/erasure.ts";
import { AgreedClock } from "../../src/platform/agreed-clock.ts";
import { ErasureQueue } from "../../src/rights/erasure/queue.ts";
import { Schedule } from "../../src/rights/retention/schedule.ts";
import { until } from "../fixtures/eventually.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { connectPatiently } from "../fixtures/patient-redis.ts";
import { CONSENT, consentStore, device, subject } from "../integration/consent-fixture.ts";
import { EPOCH_MS, erasuresOn, keyring, never } from "../integration/erasure-fixture.ts";

const { store, server } = consentStore();
const MONTH_MS = 30 * 86_400_000;
const quiet = { info: () => {}, warn: () => {}, error: () => {} };
const opened: Redis[] = [];
afterEach(() => {
  for (const redis of opened.splice(0)) redis.disconnect();
});

async function connections(): Promise<{ producer: Redis; worker: Redis }> {
  const [producer, worker] = [connectPatiently(server().url, "producer"), connectPatiently(server().url, "worker")];
  opened.push(producer, worker);
  await Promise.all([producer.connect(), worker.connect()]);
  return { producer, worker };
}

async function asked(now: () => number, services: () => string[]) {
  const { redis, keyspace } = store();
  const createSubjectKey = () => keyring.createSubjectKey();
  const ledger = new Ledger(redis, keyspace, {
    journal: NO_JOURNAL,
    createSubjectKey,
    now: Date.now,
    controller: "vendor",
    expiryDays: 365,
  });
  const tag = subject(randomUUID());
  await ledger.bind(tag, device(randomUUID()));
  await ledger.give(tag, CONSENT);
  const sink = {
    name: "influx",
    region: "IN",
    rowDelete: async () => "sync" as const,
    countRows: async () => 0,
    removeDevices: async () => "verified" as const,
  };
  const options = { sweepAfterMs: 2_000, acknowledgeWaitMs: 2_000, acknowledgeDeadlineMs: 10_000 };
  const fixture = erasuresOn(store(), { now, services, sinks: [sink] }, options);
  await fixture.records.useEpochLength(EPOCH_MS);
  const answer = await fixture.erasures.request(tag, { by: "subject", method: "api" });
  if (answer.refused !== undefined) throw new Error(answer.refused);
  return { ...fixture, id: answer.status.id };
}

test.each(["sweep", "notify", "remind"] satisfies ErasureStep[])(
  "an erasure that came to %s by such a clock goes on",
  async (step) => {
    const begun = Date.now();
    let clock = begun + MONTH_MS;
    const { erasures, id } = await asked(
      () => clock,
      () => ["hall"],
    );
    for (let turns = 0; turns < 20; turns += 1) {
      const waitMs = (await erasures.advance(id, never)) ?? 0;
      if ((await erasures.status(id))?.step === step) break;
      clock += waitMs;
    }
    expect(await erasures.status(id)).toMatchObject({ step });
    clock = begun;
    for (let waitMs: number | undefined = 0; waitMs !== undefined; clock += waitMs ?? 0) {
      waitMs = await erasures.advance(id, never);
      expect(clock).toBeLessThan(begun + 60_000);
    }
    expect((await erasures.status(id))?.state).toBe("completed");
  },
);

test("a turn put off for a month is taken when the erasure is taken again", async () => {
  const id = randomUUID();
  let turns = 0;
  const advance = async () => {
    turns += 1;
    return turns === 1 ? MONTH_MS : undefined;
  };
  const queue = new ErasureQueue(await connections(), store().keyspace, { advance, log: quiet });
  await queue.start();
  await queue.add(id);
  await until("it was put off", async () => turns === 1 && (await queued("delayed")) === 1);
  await queue.add(id);
  await until("it has its turn", () => turns === 2);
  await queue.stop();
});

async function queued(state: string): Promise<number> {
  const { erasureQueuePrefix, erasureQueueName } = store().keyspace;
  return await store().redis.zcard(`${erasureQueuePrefix}:${erasureQueueName}:${state}`);
}

test("recurring work that was put off for a month has its turn", async () => {
  const { redis, keyspace } = store();
  let runs = 0;
  const tasks = [
    {
      name: "work",
      everyMs: 100,
      run: async () => {
        runs += 1;
      },
    },
  ];
  const first = new Schedule(await connections(), keyspace, tasks, quiet);
  await first.start();
  await until("it ran", () => runs > 0);
  await first.stop();
  // As a gateway whose clock is ahead leaves it.
  const repeats = `${keyspace.upkeepQueuePrefix}:${keyspace.upkeepQueueName}:repeat`;
  const at = Date.now() + MONTH_MS;
  await redis.zadd(repeats, at, "work");
  for (const id of await redis.zrange(`${keyspace.upkeepQueuePrefix}:${keyspace.upkeepQueueName}:delayed`, "0", "-1"))
    await redis.zadd(`${keyspace.upkeepQueuePrefix}:${keyspace.upkeepQueueName}:delayed`, String(at * 0x1000), id);
  const before = runs;
  const second = new Schedule(await connections(), keyspace, tasks, quiet);
  await second.start();
  await until("it runs again", () => runs > before);
  await second.stop();
});

test("what can't be taken back goes by the earlier of two clocks", async () => {
  for (const [aheadMs, differs] of [
    [MONTH_MS, 0],
    [0, 0],
    [-MONTH_MS, -MONTH_MS],
  ] as const) {
    const clock = new AgreedClock(store().redis, () => Date.now() + aheadMs);
    expect(Math.abs((await clock.compare()) - aheadMs)).toBeLessThan(30_000);
    expect(Math.abs(clock.earliest() - (Date.now() + differs))).toBeLessThan(30_000);
  }
});
