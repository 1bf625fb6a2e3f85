/** Scans the decisions of all devices, one page at a time. */
import type { Redis } from "ioredis";
import type { Decision } from "../../model/consent.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { type Keyspace, subjectOfDecision } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { decodeDecision } from "../decision/record.ts";

const PAGE = 500;

/**
 * Every readable decision with its subject. One that changes during the scan may appear twice or in its old state.
 * Throws `REDIS_UNAVAILABLE`.
 */
export async function* allDecisions(
  redis: Redis,
  keyspace: Keyspace,
): AsyncGenerator<{ readonly tag: SubjectTag; readonly decision: Decision }> {
  const everyDecision = keyspace.decision("*" as SubjectTag, "*" as DeviceKey);
  let cursor = "0";
  do {
    const [next, names] = await orRedisUnavailable(() => redis.scan(cursor, "MATCH", everyDecision, "COUNT", PAGE));
    cursor = next;
    const texts = names.length === 0 ? [] : await orRedisUnavailable(() => redis.mget(names));
    for (const [index, text] of texts.entries()) {
      const decision = decodeDecision(text);
      const tag = subjectOfDecision(names[index] ?? "");
      if (decision !== undefined && tag !== undefined) yield { tag, decision };
    }
  } while (cursor !== "0");
}

/** Subjects with a device whose decision matches. Throws `REDIS_UNAVAILABLE`. */
export async function subjectsWith(
  redis: Redis,
  keyspace: Keyspace,
  wanted: (decision: Decision) => boolean,
): Promise<SubjectTag[]> {
  const found = new Set<SubjectTag>();
  for await (const { tag, decision } of allDecisions(redis, keyspace)) if (wanted(decision)) found.add(tag);
  return [...found];
}
