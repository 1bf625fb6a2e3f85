/** One gateway at a time does what is to be done once. Its turn ends by itself when the process does not end it. */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";

const KEEP_TURN: RedisScript = {
  name: "consentryKeepTurn",
  lua: `--[[
  Lengthens a turn, or ends it, if it is still this holder's.
  KEYS[1] the turn
  ARGV[1] holder   ARGV[2] ms from now, 0 ends it
  Reply: 1, or 0 when another gateway has the turn
]]
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == "0" then redis.call("DEL", KEYS[1]) else redis.call("PEXPIRE", KEYS[1], ARGV[2]) end
return 1`,
};

const TURN_MS = 30_000;

export class Turn {
  readonly #redis: Redis;
  readonly #name: string;

  /** `name`: the turn's name in Redis. */
  constructor(redis: Redis, name: string) {
    this.#redis = redis;
    this.#name = name;
  }

  /**
   * Runs `work` if no gateway has the turn; returns whether it ran. `mine` tells, and sees to it, that the turn lasts another 30 s:
   * ask before each step. Throws REDIS_UNAVAILABLE, and what `work` throws.
   */
  async take(work: (mine: () => Promise<boolean>) => Promise<void>): Promise<boolean> {
    const holder = randomBytes(12).toString("base64url");
    const taken = await orRedisUnavailable(() => this.#redis.set(this.#name, holder, "PX", TURN_MS, "NX"));
    if (taken !== "OK") return false;
    const keep = async (ms: number): Promise<boolean> =>
      (await orRedisUnavailable(() => runScript(this.#redis, KEEP_TURN, [this.#name], [holder, ms]))) === 1;
    try {
      await work(() => keep(TURN_MS));
    } finally {
      await keep(0).catch(() => false);
    }
    return true;
  }
}
