import { Redis } from "ioredis";
import { afterEach, expect, test, vi } from "vitest";
import { setRedisClock } from "./set-redis-clock.ts";

const { time, defineCommand } = Redis.prototype;

afterEach(() => {
  Object.assign(Redis.prototype, { time, defineCommand });
});

test("TIME, and scripts that count steps, say the time that is set; others keep the clock of Redis", async () => {
  const defined = new Map<string, string>();
  const given = vi.fn<(...args: unknown[]) => Promise<number>>(() => Promise.resolve(1));
  Redis.prototype.defineCommand = function (name, { lua }) {
    defined.set(name, lua);
    Object.assign(this, { [name]: given });
  };
  setRedisClock(() => 1_788_393_600_123);
  const redis = new Redis({ lazyConnect: true }) as Redis & Record<string, (...args: unknown[]) => Promise<unknown>>;
  const lua = 'local time = redis.call("TIME")';
  redis.defineCommand("beginStep", { lua });
  redis.defineCommand("acquireLease", { lua });

  expect(await redis.time()).toEqual([1_788_393_600, 123_000]);
  expect(defined.get("beginStep")).not.toContain("TIME");
  expect(defined.get("acquireLease")).toBe(lua);
  await redis.beginStep?.(1, "key", "argument");
  await redis.acquireLease?.(1, "key", "argument");
  expect(given.mock.calls).toEqual([
    [1, "key", "argument", 1_788_393_600_123],
    [1, "key", "argument"],
  ]);
});
