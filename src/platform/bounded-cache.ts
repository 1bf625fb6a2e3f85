/**
 * A cache that forgets what was used least recently, and takes memory for what it holds instead of for what it
 * may come to hold: sized by count alone, the library sets the room for all of it aside at once.
 */
import { LRUCache } from "lru-cache";

export interface BoundedCacheOptions {
  /** Milliseconds after which an entry is as good as forgotten. */
  readonly ttl?: number;
  /** How exactly, in milliseconds. */
  readonly ttlResolution?: number;
}

const one = (): number => 1;

export function boundedCache<Key extends {}, Value extends {}>(
  maxEntries: number,
  options: BoundedCacheOptions = {},
): LRUCache<Key, Value> {
  return new LRUCache({ ...options, maxSize: maxEntries, sizeCalculation: one });
}
