/**
 * An LRU cache that uses memory for what it holds, not for what it could hold: limited by count alone, the library
 * allocates everything in advance.
 */
import { LRUCache } from "lru-cache";

export interface BoundedCacheOptions {
  /** Milliseconds after which an entry is expired. */
  readonly ttl?: number;
  /** Precision of that, in milliseconds. */
  readonly ttlResolution?: number;
}

const one = (): number => 1;

export function boundedCache<Key extends {}, Value extends {}>(
  maxEntries: number,
  options: BoundedCacheOptions = {},
): LRUCache<Key, Value> {
  return new LRUCache({ ...options, maxSize: maxEntries, sizeCalculation: one });
}
