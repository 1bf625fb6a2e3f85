/**
 * Two clocks for what cannot be undone: this process's clock and that of Redis. A legal hold ends, and data are deleted
 * by age, only when both say so; one clock that is ahead ends nothing early.
 */
import type { Redis } from "ioredis";
import { orRedisUnavailable } from "./redis.ts";

export class AgreedClock {
  readonly #redis: Pick<Redis, "time">;
  readonly #own: () => number;
  #aheadMs = 0;

  constructor(redis: Pick<Redis, "time">, own: () => number = Date.now) {
    this.#redis = redis;
    this.#own = own;
  }

  /** Compares them. Milliseconds by which our clock is ahead of that of Redis. Throws `REDIS_UNAVAILABLE`. */
  async compare(): Promise<number> {
    const [seconds, micros] = (await orRedisUnavailable(() => this.#redis.time())) as readonly (number | string)[];
    this.#aheadMs = this.#own() - (Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000));
    return this.#aheadMs;
  }

  /** Unix ms; the earlier of the two, by the last comparison. */
  earliest(): number {
    return this.#own() - Math.max(0, this.#aheadMs);
  }
}
