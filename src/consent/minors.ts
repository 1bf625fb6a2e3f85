/**
 * Data of a subject who turns out to be a minor. What was stored while they counted as an adult must go:
 * a minor's data are never analysed, whoever consents.
 */
import type { Redis } from "ioredis";
import type { ConsentEvent } from "../model/consent-record.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { orConsentUnreachable } from "../platform/redis.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { decodeDecision } from "./decision-record.ts";
import { LedgerStore } from "./ledger-store.ts";

const PAGE = 500;
const SUBJECT = /\{([A-Za-z0-9_-]{22})\}/;

/** A minor, of whom something may have been stored as of an adult and whose erasure was not asked for since. */
export function adultDataRemains(events: readonly ConsentEvent[]): boolean {
  let minor = false;
  let remains = false;
  for (const event of events) {
    if (event.type === "erasure-requested") remains = false;
    if (event.type !== "given") continue;
    minor = event.minor ?? minor;
    remains ||= !minor;
  }
  return minor && remains;
}

export class Minors {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #store: LedgerStore;

  constructor(redis: Redis, keys: RedisKeys) {
    this.#redis = redis;
    this.#keys = keys;
    this.#store = new LedgerStore(redis, keys);
  }

  /** Throws `CONSENT_UNREACHABLE`, `LEDGER_BROKEN`. */
  async mustBePurged(tag: SubjectTag): Promise<boolean> {
    return adultDataRemains((await this.#store.read(tag)).events);
  }

  /** Everybody whose data must be purged and is not yet being erased: an answer that a crash cut short. */
  async due(): Promise<SubjectTag[]> {
    const due: SubjectTag[] = [];
    for (const tag of await subjectsWith(this.#redis, this.#keys, ({ minor }) => minor)) {
      if (await this.mustBePurged(tag)) due.push(tag);
    }
    return due;
  }
}

/** Subjects with a device whose decision is such. Looks through all of them, a page at a time. Throws `CONSENT_UNREACHABLE`. */
export async function subjectsWith(
  redis: Redis,
  keys: RedisKeys,
  wanted: (decision: NonNullable<ReturnType<typeof decodeDecision>>) => boolean,
): Promise<SubjectTag[]> {
  const found = new Set<SubjectTag>();
  const everyDecision = keys.decision("*" as SubjectTag, "*" as DeviceKey);
  let cursor = "0";
  do {
    const [next, names] = await orConsentUnreachable(() => redis.scan(cursor, "MATCH", everyDecision, "COUNT", PAGE));
    cursor = next;
    const texts = names.length === 0 ? [] : await orConsentUnreachable(() => redis.mget(names));
    for (const [index, text] of texts.entries()) {
      const decision = decodeDecision(text);
      const tag = SUBJECT.exec(names[index] ?? "")?.[1];
      if (decision !== undefined && tag !== undefined && wanted(decision)) found.add(tag as SubjectTag);
    }
  } while (cursor !== "0");
  return [...found];
}
