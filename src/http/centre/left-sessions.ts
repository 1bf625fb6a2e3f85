/** Sessions that were left before their end: no copy of their cookie is good any more, on whichever gateway it is shown. */
import type { Redis } from "ioredis";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";

const CLOCK_MARGIN_MS = 24 * 60 * 60_000;

export class LeftSessions {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /** `forMs`: until the session ends by itself anyway. Throws REDIS_UNAVAILABLE. */
  async leave(session: string, forMs: number): Promise<void> {
    // Another gateway's clock may be behind: to it the end comes later.
    const lastsMs = Math.max(1, Math.ceil(forMs)) + CLOCK_MARGIN_MS;
    await orRedisUnavailable(() => this.#redis.set(this.#keyspace.leftSession(session), "1", "PX", lastsMs));
  }

  /** Throws REDIS_UNAVAILABLE. */
  async has(session: string): Promise<boolean> {
    return (await orRedisUnavailable(() => this.#redis.exists(this.#keyspace.leftSession(session)))) === 1;
  }
}
