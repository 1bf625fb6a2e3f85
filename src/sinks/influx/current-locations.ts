/**
 * Keeps the one stored place of a device from going back in time, and from being rewritten when it
 * has not changed: every needless rewrite would leave one more old copy in the store's files until
 * it compacts them.
 */
import type { LRUCache } from "lru-cache";
import type { AnalyticsRecord, CurrentLocation } from "../../model/deidentified.ts";
import type { Pseudonym } from "../../model/ids.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";

interface Known {
  readonly location: CurrentLocation;
  /** Admission time of the newest message that told it. */
  timestampNs: string;
}

/** The places one batch writes, by device; the last of a batch wins. */
export type BatchLocations = ReadonlyMap<Pseudonym, number>;

const MAX_DEVICES = 200_000;
const DIGITS_BELOW_MS = 6;

export class CurrentLocations {
  readonly #stored: LRUCache<Pseudonym, Known> | undefined;
  readonly #underWay = new Map<BatchLocations, Promise<void>>();

  /** A stored place is written again after `refreshMs`, in case somebody removed it; 0 writes it every time. */
  constructor(refreshMs: number) {
    this.#stored = refreshMs > 0 ? boundedCache(MAX_DEVICES, { ttl: refreshMs, ttlResolution: 100 }) : undefined;
  }

  /** Device → index of the record whose place must be written; older and unchanged ones are left out. */
  select(records: readonly AnalyticsRecord[]): BatchLocations {
    const newest = new Map<Pseudonym, number>();
    for (const [index, record] of records.entries()) {
      if (record.location === undefined) continue;
      const earlier = newest.get(record.device);
      const rival = earlier === undefined ? undefined : records[earlier];
      if (rival === undefined || !isOlder(record.timestampNs, rival.timestampNs)) newest.set(record.device, index);
    }
    for (const [device, index] of newest) {
      const record = records[index];
      if (record !== undefined && this.#isSettled(record)) newest.delete(device);
    }
    return newest;
  }

  /**
   * Runs `write` when no other batch with a place of the same device is under way: two requests in
   * parallel may arrive in either order.
   */
  async inOrder(batch: BatchLocations, write: () => Promise<void>): Promise<void> {
    if (batch.size === 0) return await write();
    for (;;) {
      const ahead = [...this.#underWay].filter(([other]) => overlap(batch, other)).map(([, done]) => done);
      if (ahead.length === 0) break;
      await Promise.allSettled(ahead);
    }
    const writing = write();
    this.#underWay.set(batch, writing);
    try {
      await writing;
    } finally {
      this.#underWay.delete(batch);
    }
  }

  /** The server has confirmed the place of this record. */
  confirm({ device, location, timestampNs }: AnalyticsRecord): void {
    if (location !== undefined) this.#stored?.set(device, { location, timestampNs });
  }

  /** To be called when rows of these devices were deleted: what is known about the store no longer holds. */
  forget(devices: Iterable<Pseudonym>): void {
    for (const device of devices) this.#stored?.delete(device);
  }

  /** Whether the store is known to hold this place, or one told later. */
  #isSettled({ device, location, timestampNs }: AnalyticsRecord): boolean {
    const known = this.#stored?.get(device);
    if (known === undefined || location === undefined) return false;
    if (known.location.epochStart !== location.epochStart) return false;
    if (isOlder(timestampNs, known.timestampNs)) return true;
    if (known.location.cell !== location.cell) return false;
    known.timestampNs = timestampNs;
    return true;
  }
}

/**
 * By the millisecond: the digits below it tell messages apart and not which came first. Decimal strings without
 * leading zeros: the longer is the larger.
 */
function isOlder(a: string, b: string): boolean {
  return a.length === b.length ? a.slice(0, -DIGITS_BELOW_MS) < b.slice(0, -DIGITS_BELOW_MS) : a.length < b.length;
}

function overlap(a: BatchLocations, b: BatchLocations): boolean {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const device of small.keys()) if (large.has(device)) return true;
  return false;
}
