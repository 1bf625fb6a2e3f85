/** Links that were used: each is good once, on whichever gateway it is shown. */
import type { Redis } from "ioredis";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";

const CLOCK_MARGIN_MS = 24 * 60 * 60_000;

export class SpentLinks {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /** True the first time only. `forMs`: until the link ends by itself anyway. Throws REDIS_UNAVAILABLE. */
  async spend(nonce: string, forMs: number): Promise<boolean> {
    // Another gateway's clock may be behind: to it the end comes later.
    const lastsMs = Math.max(1, Math.ceil(forMs)) + CLOCK_MARGIN_MS;
    const name = this.#keyspace.spentLink(nonce);
    return (await orRedisUnavailable(() => this.#redis.set(name, "1", "PX", lastsMs, "NX"))) === "OK";
  }
}
