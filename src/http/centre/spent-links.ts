/** Links that were used: each is good once, on whichever gateway it is shown. */
import type { Redis } from "ioredis";
import { orConsentUnreachable } from "../../platform/redis.ts";
import type { RedisKeys } from "../../platform/redis-keys.ts";

const CLOCK_MARGIN_MS = 24 * 60 * 60_000;

export class SpentLinks {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;

  constructor(redis: Redis, keys: RedisKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** True the first time only. `forMs`: until the link ends by itself anyway. Throws CONSENT_UNREACHABLE. */
  async spend(nonce: string, forMs: number): Promise<boolean> {
    // Another gateway's clock may be behind: to it the end comes later.
    const lastsMs = Math.max(1, Math.ceil(forMs)) + CLOCK_MARGIN_MS;
    const name = this.#keys.spentLink(nonce);
    return (await orConsentUnreachable(() => this.#redis.set(name, "1", "PX", lastsMs, "NX"))) === "OK";
  }
}
