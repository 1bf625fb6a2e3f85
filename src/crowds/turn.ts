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

export interface TurnTimes {
  /** For how long the turn of a gateway that was killed keeps the others from theirs. */
  readonly turnMs: number;
  /** For how long a turn is lengthened without a word from the work: one that is stuck loses it. */
  readonly patienceMs: number;
}

const TIMES: TurnTimes = { turnMs: 5_000, patienceMs: 30_000 };
const RENEWALS_PER_TURN = 4;

export class Turn {
  readonly #redis: Redis;
  readonly #name: string;
  readonly #times: TurnTimes;

  /** `name`: the turn's name in Redis. */
  constructor(redis: Redis, name: string, times = TIMES) {
    this.#redis = redis;
    this.#name = name;
    this.#times = times;
  }

  /**
   * Runs `work` if no gateway has the turn; returns whether it ran. The turn lasts while the process lives and `mine` was called less
   * than 30 s ago. `mine` tells whether it is still this one's: ask before each step. Throws REDIS_UNAVAILABLE, and what `work` throws.
   */
  async take(work: (mine: () => Promise<boolean>) => Promise<void>): Promise<boolean> {
    const { turnMs, patienceMs } = this.#times;
    const holder = randomBytes(12).toString("base64url");
    const taken = await orRedisUnavailable(() => this.#redis.set(this.#name, holder, "PX", turnMs, "NX"));
    if (taken !== "OK") return false;
    const keep = async (ms: number): Promise<boolean> =>
      (await orRedisUnavailable(() => runScript(this.#redis, KEEP_TURN, [this.#name], [holder, ms]))) === 1;
    let askedAt = performance.now();
    const renewing = setInterval(() => {
      if (performance.now() - askedAt < patienceMs) keep(turnMs).catch(() => false);
    }, turnMs / RENEWALS_PER_TURN);
    renewing.unref();
    try {
      await work(() => {
        askedAt = performance.now();
        return keep(turnMs);
      });
    } finally {
      clearInterval(renewing);
      await keep(0).catch(() => false);
    }
    return true;
  }
}
