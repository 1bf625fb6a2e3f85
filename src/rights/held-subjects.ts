/** Everybody of whom something is under a legal hold: an index beside the ledgers, which alone are the truth. */
import type { Redis } from "ioredis";
import type { LegalHold } from "../model/consent-record.ts";
import type { SubjectTag } from "../model/ids.ts";
import { orConsentUnreachable } from "../platform/redis.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";

/** Every call throws `CONSENT_UNREACHABLE` when Redis does not answer. */
export class HeldSubjects {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #standing: (tag: SubjectTag) => Promise<readonly LegalHold[]>;

  constructor(redis: Redis, keys: RedisKeys, standing: (tag: SubjectTag) => Promise<readonly LegalHold[]>) {
    this.#redis = redis;
    this.#keys = keys;
    this.#standing = standing;
  }

  async all(): Promise<SubjectTag[]> {
    return (await orConsentUnreachable(() => this.#redis.zrange(this.#keys.heldSubjects, "0", "-1"))) as SubjectTag[];
  }

  standing(tag: SubjectTag): Promise<readonly LegalHold[]> {
    return this.#standing(tag);
  }

  /** Subjects of whom a hold has ended by `nowMs`. */
  async due(nowMs: number): Promise<SubjectTag[]> {
    const due = () => this.#redis.zrangebyscore(this.#keys.heldSubjects, "-inf", String(nowMs));
    return (await orConsentUnreachable(due)) as SubjectTag[];
  }

  /** Before and after a hold is placed: whoever looks meanwhile may find nothing in the ledger yet. */
  async add(tag: SubjectTag, until: number): Promise<void> {
    await orConsentUnreachable(() => this.#redis.zadd(this.#keys.heldSubjects, "LT", String(until), tag));
  }

  /** After holds ended: to be looked at again when the next one ends, or not at all. Returns whether any is left. */
  async renew(tag: SubjectTag): Promise<boolean> {
    const standing = await this.#standing(tag);
    if (standing.length === 0) {
      await orConsentUnreachable(() => this.#redis.zrem(this.#keys.heldSubjects, tag));
      return false;
    }
    // The score is the earliest end.
    const next = Math.min(...standing.map(({ until }) => until));
    await orConsentUnreachable(() => this.#redis.zadd(this.#keys.heldSubjects, String(next), tag));
    return true;
  }
}
