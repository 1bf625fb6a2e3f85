/** Promise: what recurs is done by one gateway at a time, goes on when one of them ends, and a fault costs one turn only. */
import type { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import type { Log } from "../../src/model/log.ts";
import { Schedule, type ScheduledTask } from "../../src/rights/retention/schedule.ts";
import { until } from "../fixtures/eventually.ts";
import { connectPatiently } from "../fixtures/patient-redis.ts";
import { consentStore } from "./consent-fixture.ts";

const { store, server } = consentStore();
const opened: Redis[] = [];
const logged: unknown[] = [];
const line: Log["warn"] = (event, fields) => void logged.push([event, fields]);

async function schedule(tasks: readonly ScheduledTask[]): Promise<Schedule> {
  const producer = connectPatiently(server().url, "producer");
  const worker = connectPatiently(server().url, "worker");
  opened.push(producer, worker);
  await Promise.all([producer.connect(), worker.connect()]);
  const one = new Schedule({ producer, worker }, store().keyspace, tasks, { info: line, warn: line, error: line });
  await one.start();
  return one;
}

afterEach(() => {
  for (const redis of opened.splice(0)) redis.disconnect();
  logged.length = 0;
});

test("two gateways share the turns, one at a time, and one goes on alone", async () => {
  let running = 0;
  let most = 0;
  const turns = [0, 0];
  const task = (index: number): ScheduledTask => ({
    name: "work",
    everyMs: 60,
    run: async () => {
      running += 1;
      most = Math.max(most, running);
      turns[index] = (turns[index] ?? 0) + 1;
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    },
  });
  const gateways = [await schedule([task(0)]), await schedule([task(1)])];
  await until("some turns were taken", () => (turns[0] ?? 0) + (turns[1] ?? 0) >= 6);
  expect(most).toBe(1);
  await gateways[0]?.stop();
  const before = turns[1] ?? 0;
  await until("the other goes on", () => (turns[1] ?? 0) > before + 2);
  await gateways[1]?.stop();
});

test("a task that fails is logged by its code and has its next turn", async () => {
  let turns = 0;
  const one = await schedule([
    {
      name: "work",
      everyMs: 60,
      run: async () => {
        turns += 1;
        throw new Error("s-anna");
      },
    },
  ]);
  await until("it was tried again", () => turns >= 3);
  await one.stop();
  expect(logged[0]).toEqual(["periodic task failed", { stage: "work", code: "FAULT" }]);
  expect(JSON.stringify(logged)).not.toContain("anna");
});

test("a task of an earlier release is not asked for any more, and a changed interval counts", async () => {
  const taken: string[] = [];
  const task = (name: string, everyMs: number): ScheduledTask => ({ name, everyMs, run: async () => taken.push(name) });
  const old = await schedule([task("former", 60), task("work", 3_600_000)]);
  await until("the former task ran", () => taken.includes("former"));
  await old.stop();
  taken.length = 0;
  const now = await schedule([task("work", 60)]);
  await until("the task runs at its new pace", () => taken.length >= 4);
  await now.stop();
  expect(new Set(taken)).toEqual(new Set(["work"]));
});
