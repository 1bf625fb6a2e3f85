/** Looks through the decisions of all devices, a page at a time. */
import type { Redis } from "ioredis";
import type { Decision } from "../../model/consent.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { orConsentUnreachable } from "../../platform/redis.ts";
import { type RedisKeys, subjectOfDecision } from "../../platform/redis-keys.ts";
import { decodeDecision } from "../decision/record.ts";

const PAGE = 500;

/**
 * Every decision that can be read, with whose it is. One that changes meanwhile may come twice or as it was.
 * Throws `CONSENT_UNREACHABLE`.
 */
export async function* allDecisions(
  redis: Redis,
  keys: RedisKeys,
): AsyncGenerator<{ readonly tag: SubjectTag; readonly decision: Decision }> {
  const everyDecision = keys.decision("*" as SubjectTag, "*" as DeviceKey);
  let cursor = "0";
  do {
    const [next, names] = await orConsentUnreachable(() => redis.scan(cursor, "MATCH", everyDecision, "COUNT", PAGE));
    cursor = next;
    const texts = names.length === 0 ? [] : await orConsentUnreachable(() => redis.mget(names));
    for (const [index, text] of texts.entries()) {
      const decision = decodeDecision(text);
      const tag = subjectOfDecision(names[index] ?? "");
      if (decision !== undefined && tag !== undefined) yield { tag, decision };
    }
  } while (cursor !== "0");
}

/** Subjects with a device whose decision is such. Throws `CONSENT_UNREACHABLE`. */
export async function subjectsWith(
  redis: Redis,
  keys: RedisKeys,
  wanted: (decision: Decision) => boolean,
): Promise<SubjectTag[]> {
  const found = new Set<SubjectTag>();
  for await (const { tag, decision } of allDecisions(redis, keys)) if (wanted(decision)) found.add(tag);
  return [...found];
}
