/**
 * A destroyed key is gone from Redis at once, but its append-only file still tells the commands that once
 * wrote it. Rewriting the file leaves out what no longer exists. Rewriting costs, so many erasures share one.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Log } from "../../model/log.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable, redisErrorCode } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";

const FORGET_MARK: RedisScript = {
  name: "consentryForgetMark",
  lua: `--[[
  Takes a mark away, unless another one was made meanwhile.
  KEYS[1] mark
  ARGV[1] the mark that was dealt with
  Reply: 1 taken away, 0 there is another one
]]
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("DEL", KEYS[1])
return 1`,
};

const POLL_MS = 100;

export class KeyRemnants {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #log: Log;

  constructor(redis: Redis, keyspace: Keyspace, log: Log) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#log = log;
  }

  /** To be called after a key was deleted. Throws REDIS_UNAVAILABLE. */
  async mark(): Promise<void> {
    // Never the same twice: a mark that was taken away must not come back as one that was dealt with.
    await orRedisUnavailable(() => this.#redis.set(this.#keyspace.keyRemnants, randomUUID()));
  }

  /**
   * Rewrites the file if a key was deleted since the last time. `false` when that did not come to a good end:
   * call again later. Throws REDIS_UNAVAILABLE.
   */
  async clear(stop: AbortSignal): Promise<boolean> {
    const mark = await orRedisUnavailable(() => this.#redis.get(this.#keyspace.keyRemnants));
    if (mark === null) return true;
    if ((await this.#persistence()).aof_enabled === "1" && !(await this.#rewritten(stop))) return false;
    await orRedisUnavailable(() => runScript(this.#redis, FORGET_MARK, [this.#keyspace.keyRemnants], [mark]));
    return true;
  }

  async #rewritten(stop: AbortSignal): Promise<boolean> {
    try {
      // One that was under way before may have begun before the key was deleted: then this is refused.
      await this.#redis.bgrewriteaof();
    } catch (error) {
      this.#log.warn("append-only file not rewritten", { code: redisErrorCode(error), stage: "rights" });
      return false;
    }
    for (;;) {
      await pause(POLL_MS, undefined, { signal: stop });
      const state = await this.#persistence();
      if (state.aof_rewrite_in_progress === "1" || state.aof_rewrite_scheduled === "1") continue;
      return state.aof_last_bgrewrite_status === "ok";
    }
  }

  async #persistence(): Promise<Readonly<Record<string, string>>> {
    const text = await orRedisUnavailable(() => this.#redis.info("persistence"));
    return Object.fromEntries([...text.matchAll(/^(\w+):([^\r\n]*)/gm)].map(([, name, value]) => [name, value]));
  }
}
