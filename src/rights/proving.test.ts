/** After a loss of the connection nothing passes before Redis was verified. */
import { EventEmitter } from "node:events";
import { expect, test, vi } from "vitest";
import { GatewayError } from "../model/errors.ts";
import { Proving } from "./proving.ts";

class FakeRedis extends EventEmitter {
  held = false;
  status = "ready" as const;
  hold(): void {
    this.held = true;
  }
  release(): void {
    this.held = false;
  }
}

async function proving() {
  const redis = new FakeRedis();
  const answers: (() => Promise<void>)[] = [];
  const seen = { checks: 0, lost: 0, fatal: [] as Error[], warned: [] as unknown[] };
  const check = async () => {
    seen.checks += 1;
    await answers.shift()?.();
  };
  const warn = (_: string, fields?: unknown) => void seen.warned.push(fields);
  const log = { info: () => undefined, warn, error: () => undefined };
  const lost = () => {
    seen.lost += 1;
  };
  const part = new Proving(redis, { check, lost, fatal: (error) => seen.fatal.push(error), log }, 1);
  await part.start();
  return { redis, part, answers, seen };
}

test("a loss of the connection blocks all commands and records what was confirmed; after the check they continue", async () => {
  const { redis, seen } = await proving();
  redis.emit("close");
  expect([redis.held, seen.lost, seen.checks]).toEqual([true, 1, 1]);
  redis.emit("ready");
  await vi.waitFor(() => expect(redis.held).toBe(false), { timeout: 60_000 });
  expect(seen.checks).toBe(2);
});

test("a loss during the check triggers another check", async () => {
  const { redis, answers, seen } = await proving();
  redis.emit("close");
  answers.push(async () => void redis.emit("close"));
  redis.emit("ready");
  await vi.waitFor(() => expect(redis.held).toBe(false), { timeout: 60_000 });
  expect(seen.checks).toBe(3);
});

test("the check is repeated until there is a result", async () => {
  const { redis, answers, seen } = await proving();
  answers.push(() => Promise.reject(new GatewayError("REDIS_UNAVAILABLE", "proof")));
  redis.emit("close");
  redis.emit("ready");
  await vi.waitFor(() => expect(redis.held).toBe(false), { timeout: 60_000 });
  expect(seen.warned).toEqual([{ code: "REDIS_UNAVAILABLE" }]);
});

test("a Redis that was rolled back is not used again", async () => {
  const { redis, part, answers, seen } = await proving();
  answers.push(() => Promise.reject(new GatewayError("REDIS_ROLLED_BACK", "subjects")));
  part.doubt();
  await vi.waitFor(() => expect(seen.fatal).toHaveLength(1), { timeout: 60_000 });
  expect(redis.held).toBe(true);
});

test("after a stop nothing is blocked any more", async () => {
  const { redis, part } = await proving();
  redis.emit("close");
  part.stop();
  redis.emit("close");
  expect(redis.held).toBe(false);
});
