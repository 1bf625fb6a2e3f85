/**
 * Which gateway carries out a step: one, by a lock that it renews. The clock of Redis counts the steps, so that all gateways
 * mean the same one; a step that was not finished is begun again, by the first gateway that asks.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { orRedisUnavailable } from "./redis.ts";
import { type RedisScript, runScript } from "./redis-script.ts";

/** After a gateway was killed, another one begins the step again. */
const LOCK_MS = 20_000;

const BEGIN: RedisScript = {
  name: "consentryBeginStep",
  lua: `--[[
  Takes the lock when the present step was not carried out yet and no gateway is at it.
  KEYS[1] lock   KEYS[2] number of the last step that was carried out
  ARGV[1] who asks   ARGV[2] ms of a step   ARGV[3] ms of the lock
  Reply: number of the step and Unix ms, or nothing
]]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local number = string.format("%.0f", math.floor(now / ARGV[2]))
if redis.call("GET", KEYS[2]) == number then return {} end
if not redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[3], "NX") then return {} end
return {number, string.format("%.0f", now)}`,
};

const GO_ON: RedisScript = {
  name: "consentryGoOnWithStep",
  lua: `--[[
  Extends the lock, or ends it, unless it expired and belongs to another gateway by now.
  KEYS[1] lock   KEYS[2] number of the last step that was carried out
  ARGV[1] who asks   ARGV[2] ms of the lock, or 0 to end it   ARGV[3] number of the step to be noted as carried out, or ""
  Reply: 1, or 0: another gateway holds it
]]
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] ~= "" then redis.call("SET", KEYS[2], ARGV[3]) end
if ARGV[2] == "0" then redis.call("DEL", KEYS[1]) else redis.call("PEXPIRE", KEYS[1], ARGV[2]) end
return 1`,
};

export interface StepTurn {
  /** Steps since the begin of Unix time. */
  readonly number: number;
  /** Unix ms, by the clock of Redis. */
  readonly now: number;
  /** Extends the lock; false when it was lost: then nothing may be written any more. */
  goOn(): Promise<boolean>;
}

export class StepTurns {
  readonly #redis: Redis;
  readonly #names: readonly string[];
  readonly #stepMs: number;

  /** Names in Redis: of the lock, and of the number of the last step that was carried out. */
  constructor(redis: Redis, lock: string, step: string, stepMs: number) {
    this.#redis = redis;
    this.#names = [lock, step];
    this.#stepMs = stepMs;
  }

  /** Runs `work` when a step is due and no gateway is at it. The step counts as carried out when `work` says so. */
  async take(work: (turn: StepTurn) => Promise<boolean>): Promise<void> {
    const mine = randomBytes(12).toString("base64url");
    const begun = await orRedisUnavailable(() =>
      runScript(this.#redis, BEGIN, this.#names, [mine, this.#stepMs, LOCK_MS]),
    );
    if (!Array.isArray(begun) || begun.length === 0) return;
    const [number, now] = begun.map(Number) as [number, number];
    const goOn = (ms: number, done = "") =>
      orRedisUnavailable(() => runScript(this.#redis, GO_ON, this.#names, [mine, ms, done]));
    const renewing = setInterval(() => void goOn(LOCK_MS).catch(() => undefined), LOCK_MS / 4);
    renewing.unref();
    let done = false;
    try {
      done = await work({ number, now, goOn: async () => (await goOn(LOCK_MS)) === 1 });
    } finally {
      clearInterval(renewing);
      await goOn(0, done ? String(number) : "");
    }
  }
}
