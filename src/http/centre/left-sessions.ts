/** Sessions that were left before their end: no copy of their cookie is good any more, on whichever gateway it is shown. */
import type { Redis } from "ioredis";
import { orConsentUnreachable } from "../../platform/redis.ts";
import type { RedisKeys } from "../../platform/redis-keys.ts";

const CLOCK_MARGIN_MS = 24 * 60 * 60_000;

export class LeftSessions {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;

  constructor(redis: Redis, keys: RedisKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** `forMs`: until the session ends by itself anyway. Throws CONSENT_UNREACHABLE. */
  async leave(session: string, forMs: number): Promise<void> {
    // Another gateway's clock may be behind: to it the end comes later.
    const lastsMs = Math.max(1, Math.ceil(forMs)) + CLOCK_MARGIN_MS;
    await orConsentUnreachable(() => this.#redis.set(this.#keys.leftSession(session), "1", "PX", lastsMs));
  }

  /** Throws CONSENT_UNREACHABLE. */
  async has(session: string): Promise<boolean> {
    return (await orConsentUnreachable(() => this.#redis.exists(this.#keys.leftSession(session)))) === 1;
  }
}
