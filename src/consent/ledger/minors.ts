/**
 * Data of a subject who turns out to be a minor. Data stored while they counted as an adult must be deleted: a minor's
 * data are never analysed, even with consent.
 */
import type { Redis } from "ioredis";
import { type ConsentEvent, isConsent } from "../../model/consent-record.ts";
import { forEachUndamaged, type TellDamage } from "../../model/damage.ts";
import type { SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { LedgerStore } from "./store.ts";
import { subjectsWith } from "./subject-scan.ts";

/** A minor whose data may have been stored as an adult's and whose erasure was not requested since. */
export function adultDataRemains(events: readonly ConsentEvent[]): boolean {
  let minor = false;
  let remains = false;
  for (const event of events) {
    if (event.type === "erasure-requested") remains = false;
    if ("minor" in event) minor = event.minor ?? minor;
    if (isConsent(event)) remains ||= !minor;
  }
  return minor && remains;
}

export class Minors {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #store: LedgerStore;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#store = new LedgerStore(redis, keyspace);
  }

  /** Throws `REDIS_UNAVAILABLE`, `LEDGER_BROKEN`. */
  async mustBePurged(tag: SubjectTag): Promise<boolean> {
    return adultDataRemains((await this.#store.read(tag)).events);
  }

  /**
   * All subjects whose data must be purged and are not yet being erased, for example after a crash before the answer.
   */
  async due(damaged: TellDamage = () => undefined): Promise<SubjectTag[]> {
    const due: SubjectTag[] = [];
    const minors = await subjectsWith(this.#redis, this.#keyspace, ({ minor }) => minor);
    await forEachUndamaged(minors, damaged, async (tag) => {
      if (await this.mustBePurged(tag)) due.push(tag);
    });
    return due;
  }
}
