/**
 * What backups and key rotation must know about erasures: which ones a ledger names, and where they contain a key or a
 * seal.
 */
import type { Redis } from "ioredis";
import type { SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { execEach, keysLike } from "../../platform/redis-values.ts";

/** Ids of the requested erasures, in ledger order. */
export function erasureIdsIn(events: readonly string[]): string[] {
  return events.flatMap((text) => {
    if (!text.includes('"erasure-requested"')) return [];
    const { type, erasure } = readable(text);
    return type === "erasure-requested" && typeof erasure === "string" ? [erasure] : [];
  });
}

/** Events before a new chain may not even be JSON. */
function readable(text: string): { type?: unknown; erasure?: unknown; k?: unknown } {
  try {
    return (JSON.parse(text) as { type?: unknown; erasure?: unknown; k?: unknown } | null) ?? {};
  } catch {
    return {};
  }
}

/** Separates the wrapped key that an open erasure still holds from all other fields. */
export function splitErasure(fields: Record<string, string>): {
  key: string | undefined;
  rest: Record<string, string>;
} {
  const { key, ...rest } = fields;
  return { key, rest };
}

/** An unreadable value is sealed under no key. */
function sealedUnder(text: string): string | undefined {
  const { k } = readable(text);
  return typeof k === "string" ? k : undefined;
}

/** Queue keys under which open erasures and digests keep the names that services must forget: number of seals by key id. */
export async function noticesByKey(redis: Redis, keyspace: Keyspace): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const count = (text: unknown): void => {
    const id = typeof text === "string" ? sealedUnder(text) : undefined;
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  };
  for await (const names of keysLike(redis, keyspace.erasure("*" as SubjectTag, "*"))) {
    const asked = redis.pipeline();
    for (const name of names) asked.hget(name, "notices");
    for (const text of await execEach(asked)) count(text);
  }
  for (const text of await redis.hvals(keyspace.digestNames)) count(text);
  return counts;
}
