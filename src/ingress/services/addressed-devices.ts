/**
 * The devices that scene services can address: under which pseudonym each was last told, how often it may be commanded, and what it
 * was commanded to a moment ago. In memory and bounded; gone with the pseudonym and at a restart.
 */
import type { LRUCache } from "lru-cache";
import type { DeviceRef, Pseudonym } from "../../model/ids.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";
import { TokenBucket } from "../../platform/rate.ts";

/** For so long what a device says counts as following from its last command. */
const FOLLOWS_MS = 10_000;
const MINUTE_S = 60;

export interface Addressed {
  readonly device: DeviceRef;
  readonly bucket: TokenBucket;
  /** The longest chain of its latest commands, and when it ceases to be one; monotonic ms. */
  chain: { readonly length: number; readonly until: number } | undefined;
}

export class AddressedDevices {
  readonly #perMinute: number;
  readonly #byPseudonym: LRUCache<string, Addressed>;

  constructor(perMinute: number, remembered: number) {
    this.#perMinute = perMinute;
    this.#byPseudonym = boundedCache(remembered);
  }

  remember(pseudonym: Pseudonym, device: DeviceRef): void {
    const known = this.#byPseudonym.get(pseudonym);
    // Every message brings a reference of its own; the one that is known says the same and is kept.
    if (known?.device.deviceKey === device.deviceKey && known.device.subjectTag === device.subjectTag) return;
    const bucket = new TokenBucket(this.#perMinute / MINUTE_S, this.#perMinute, Date.now());
    this.#byPseudonym.set(pseudonym, { device, bucket, chain: undefined });
  }

  forget(pseudonyms: Iterable<Pseudonym>): void {
    for (const pseudonym of pseudonyms) this.#byPseudonym.delete(pseudonym);
  }

  find(pseudonym: string): Addressed | undefined {
    return this.#byPseudonym.get(pseudonym);
  }

  /** It was handed a command that `cause` others led to. */
  commanded(addressed: Addressed, cause: number): void {
    const now = performance.now();
    addressed.chain = { length: Math.max(cause, lengthAt(addressed, now) ?? 0), until: now + FOLLOWS_MS };
  }

  /** How many commands led to what the device says now; `undefined` when it was not commanded lately. */
  causeOf(pseudonym: Pseudonym): number | undefined {
    // Only looked at: to be heard does not keep a device among those that are remembered.
    const addressed = this.#byPseudonym.peek(pseudonym);
    const length = addressed && lengthAt(addressed, performance.now());
    return length === undefined ? undefined : length + 1;
  }
}

function lengthAt({ chain }: Addressed, now: number): number | undefined {
  return chain !== undefined && now < chain.until ? chain.length : undefined;
}
