/**
 * Token buckets: one per device, kept across reconnects so that reconnecting gains nothing, and others for failed
 * logins and wrong bearer tokens. Every table is bounded and in memory only.
 */
import type { LRUCache } from "lru-cache";
import { boundedCache } from "./bounded-cache.ts";

export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = nowMs;
  }

  /** Takes one token; false when there is none. A clock that jumps back neither adds nor removes tokens. */
  take(nowMs: number): boolean {
    if (nowMs > this.#at) {
      this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#at) * this.#perMs);
    }
    this.#at = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Whether a token is available, without taking it. */
  peek(nowMs: number): boolean {
    return this.#tokens + Math.max(0, nowMs - this.#at) * this.#perMs >= 1;
  }
}

export interface RateOptions {
  readonly perSecond: number;
  readonly burst: number;
  /** Number of buckets kept; the least recently used is dropped first. */
  readonly remembered: number;
}

export function perMinute(count: number, remembered: number): Rates {
  return new Rates({ perSecond: count / 60, burst: count, remembered });
}

/** Buckets by key: a device key, or a remote address, with or without a user name. */
export class Rates {
  readonly #options: RateOptions;
  readonly #buckets: LRUCache<string, TokenBucket>;

  constructor(options: RateOptions) {
    this.#options = options;
    this.#buckets = boundedCache(options.remembered);
  }

  bucket(key: string, nowMs: number): TokenBucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#options.perSecond, this.#options.burst, nowMs);
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }
}
