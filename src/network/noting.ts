/**
 * Notes what the messages of a batch say for network services: when it resolves, each device's record in Redis holds of each part
 * the newest there is, on whatever gateway it was said. Saying the same again is noted once an hour and once a day.
 */
import type { DeviceKey } from "../model/ids.ts";
import type { NetworkNote, NotedNetwork } from "../model/network.ts";
import { type NotingOptions, RecordNoting } from "../platform/record-noting.ts";
import type { SealedRecords } from "../platform/sealed-records.ts";
import { isRecent, noted } from "./record.ts";

export class NetworkNoting {
  readonly #noting: RecordNoting<NotedNetwork, NetworkNote>;
  readonly #now: () => number;

  constructor(records: Pick<SealedRecords<NetworkNote>, "read" | "open" | "replace">, options: NotingOptions) {
    const isKnown = (known: NetworkNote, said: NotedNetwork, clock: Parameters<typeof noted>[2]) =>
      noted(known, said, clock) === known;
    this.#noting = new RecordNoting(records, options, { noted, isKnown });
    this.#now = options.now;
  }

  /**
   * Whether each was taken: one that is too old to be told is not. Throws REDIS_UNAVAILABLE, CONSENT_CONFLICT,
   * SUBJECT_KEY_UNREADABLE. Safe to repeat.
   */
  async note(all: readonly NotedNetwork[]): Promise<boolean[]> {
    const now = this.#now();
    const taken = all.map(({ at }) => isRecent(at, now));
    await this.#noting.note(all.filter((_, index) => taken[index]));
    return taken;
  }

  /** Drops what is remembered of these devices; erasure calls it. */
  forget(devices: Iterable<DeviceKey>): void {
    this.#noting.forget(devices);
  }
}
