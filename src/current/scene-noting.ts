/**
 * Notes the last scene of each device of a batch: when it resolves, each device's record in Redis holds the newest there is, on
 * whatever gateway it was said.
 */
import type { DeviceKey } from "../model/ids.ts";
import type { NotedScene, SceneNote } from "../model/scene.ts";
import { type NotingOptions, type NotingRules, RecordNoting } from "../platform/record-noting.ts";
import type { SealedRecords } from "../platform/sealed-records.ts";
import { isRecent, noted } from "./scene-record.ts";

/** Nearly every message says something new, so it is not worth while to remember more than a batch that is tried again. */
const REMEMBERED = 1_000;

const RULES: NotingRules<NotedScene, SceneNote> = {
  noted,
  isKnown: (known, said, clock) => noted(known, said, clock) === known,
};

export class SceneNoting {
  readonly #noting: RecordNoting<NotedScene, SceneNote>;
  readonly #forMs: number;
  readonly #now: () => number;

  /** `forMs`: for how long a message is current. */
  constructor(
    records: Pick<SealedRecords<SceneNote>, "read" | "open" | "replace">,
    options: Omit<NotingOptions, "maxDevices">,
    forMs: number,
  ) {
    this.#noting = new RecordNoting(records, { ...options, maxDevices: REMEMBERED }, RULES);
    this.#forMs = forMs;
    this.#now = options.now;
  }

  /**
   * Whether each was taken: one that is too old to be current is not. Throws REDIS_UNAVAILABLE, CONSENT_CONFLICT,
   * SUBJECT_KEY_UNREADABLE. Safe to repeat.
   */
  async note(all: readonly NotedScene[]): Promise<boolean[]> {
    const now = this.#now();
    const taken = all.map((said) => isRecent(said, now, this.#forMs));
    await this.#noting.note(all.filter((_, index) => taken[index]));
    return taken;
  }

  /** Drops what is remembered of these devices; erasure calls it. */
  forget(devices: Iterable<DeviceKey>): void {
    this.#noting.forget(devices);
  }
}
