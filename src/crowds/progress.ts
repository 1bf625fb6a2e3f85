/**
 * How far the steps of something that is told once are told, noted in Redis for all gateways: the beginning of the last step that was
 * closed, behind which nothing is counted into it any more, and of the last one that was told.
 */
import type { Redis } from "ioredis";
import { orRedisUnavailable } from "../platform/redis.ts";

export interface ProgressOptions {
  readonly stepMs: number;
  /** Steps that could not be told for longer are given up. */
  readonly mostBehindMs: number;
}

export class Progress {
  readonly #redis: Redis;
  readonly #name: string;
  readonly #options: ProgressOptions;

  /** `name`: of the hash in Redis. */
  constructor(redis: Redis, name: string, options: ProgressOptions) {
    this.#redis = redis;
    this.#name = name;
    this.#options = options;
  }

  /**
   * Beginning of the last step that was told or is given up; `last`: of the last one that is over. Unix ms. A number from a clock that
   * was ahead counts for nothing, and so does one of steps of another length.
   */
  async told(last: number): Promise<number> {
    const { stepMs, mostBehindMs } = this.#options;
    const text = await orRedisUnavailable(() => this.#redis.hget(this.#name, "told"));
    const told = text === null ? Number.NaN : Number(text);
    if (!Number.isSafeInteger(told) || told > last + mostBehindMs) return last - stepMs;
    const reached = Math.max(told, last - mostBehindMs - (mostBehindMs % stepMs));
    return reached - (reached % stepMs);
  }

  async close(start: number): Promise<void> {
    await orRedisUnavailable(() => this.#redis.hset(this.#name, "closed", start));
  }

  /** And what was counted for it, under a name of its own, goes. */
  async end(start: number, counted: string): Promise<void> {
    await orRedisUnavailable(() => this.#redis.hset(this.#name, "told", start));
    await orRedisUnavailable(() => this.#redis.unlink(counted));
  }
}
