/**
 * What is remembered of devices that were commanded, by the scene pseudonym they were addressed under: how often they may be
 * commanded, and how many commands led to the latest one. In memory and bounded; gone with the pseudonym and at a restart.
 */
import type { LRUCache } from "lru-cache";
import type { Pseudonym } from "../../model/ids.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";
import { TokenBucket } from "../../platform/rate.ts";

/** For so long what a device says counts as following from its last command. */
const FOLLOWS_MS = 10_000;
const MINUTE_S = 60;

interface Commanded {
  readonly bucket: TokenBucket;
  /** The longest chain of its latest commands, and when it ceases to be one; monotonic ms. */
  chain: { readonly length: number; readonly until: number } | undefined;
}

export class CommandedDevices {
  readonly #perMinute: number;
  readonly #byPseudonym: LRUCache<string, Commanded>;

  constructor(perMinute: number, remembered: number) {
    this.#perMinute = perMinute;
    this.#byPseudonym = boundedCache(remembered);
  }

  /** Counts a command; false when it is one too many. */
  mayCommand(pseudonym: string): boolean {
    return this.#of(pseudonym).bucket.take(Date.now());
  }

  /** It was handed a command that `cause` others led to. */
  commanded(pseudonym: string, cause: number): void {
    const commanded = this.#of(pseudonym);
    const now = performance.now();
    commanded.chain = { length: Math.max(cause, lengthAt(commanded, now) ?? 0), until: now + FOLLOWS_MS };
  }

  /** How many commands led to what the device says now; `undefined` when it was not commanded lately. */
  causeOf(pseudonym: Pseudonym): number | undefined {
    // Only looked at: to be heard does not keep a device among those that are remembered.
    const commanded = this.#byPseudonym.peek(pseudonym);
    const length = commanded && lengthAt(commanded, performance.now());
    return length === undefined ? undefined : length + 1;
  }

  forget(pseudonyms: Iterable<Pseudonym>): void {
    for (const pseudonym of pseudonyms) this.#byPseudonym.delete(pseudonym);
  }

  #of(pseudonym: string): Commanded {
    let commanded = this.#byPseudonym.get(pseudonym);
    if (commanded === undefined) {
      commanded = {
        bucket: new TokenBucket(this.#perMinute / MINUTE_S, this.#perMinute, Date.now()),
        chain: undefined,
      };
      this.#byPseudonym.set(pseudonym, commanded);
    }
    return commanded;
  }
}

function lengthAt({ chain }: Commanded, now: number): number | undefined {
  return chain !== undefined && now < chain.until ? chain.length : undefined;
}
