/**
 * A destroyed key is gone from Redis at once, but the append-only file still contains the commands that wrote it.
 * Rewriting the file (BGREWRITEAOF) leaves out what no longer exists. It is expensive, so many erasures share one.
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
  Removes a mark, unless a new one was set meanwhile.
  KEYS[1] mark
  ARGV[1] the mark that was handled
  Reply: 1 removed, 0 there is a new one
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

  /** Call after a key was deleted. Throws REDIS_UNAVAILABLE. */
  async mark(): Promise<void> {
    // Unique: a mark that was removed must not return as one already handled.
    await orRedisUnavailable(() => this.#redis.set(this.#keyspace.keyRemnants, randomUUID()));
  }

  /**
   * Rewrites the file if a key was deleted since the last time. `false` when that failed: call again later. Throws
   * REDIS_UNAVAILABLE.
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
      // A rewrite in progress may have begun before the key was deleted; Redis then rejects this call.
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
