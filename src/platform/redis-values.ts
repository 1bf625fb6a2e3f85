/** Whole Redis values as lists of text, of any type, page by page; and names by pattern. */
import type { ChainableCommander, Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import { isMisshapen } from "./redis.ts";

const PAGE = 500;
const MAX_ATTEMPTS = 5;

export const STORED_KINDS = ["string", "hash", "list", "set", "zset"] as const;
export type StoredKind = (typeof STORED_KINDS)[number];

export interface StoredPage {
  readonly kind: StoredKind;
  /** This page starts the value again; earlier pages are void. */
  readonly first: boolean;
  readonly items: readonly string[];
}

/**
 * Names that match, of one type or of any; every name that exists throughout is included, and none appears twice in a
 * page.
 */
export async function* keysLike(redis: Redis, pattern: string, type?: "hash"): AsyncGenerator<string[]> {
  let cursor = "0";
  do {
    const [next, keys] = await (type === undefined
      ? redis.scan(cursor, "MATCH", pattern, "COUNT", PAGE)
      : redis.scan(cursor, "MATCH", pattern, "COUNT", PAGE, "TYPE", type));
    if (keys.length > 0) yield keys;
    cursor = next;
  } while (cursor !== "0");
}

/** Pages of a value that may grow at its end meanwhile; empty when there is no such name. */
export async function* storedPages(redis: Redis, key: string): AsyncGenerator<StoredPage> {
  const kind = await redis.type(key);
  switch (kind) {
    case "none":
      return;
    case "string":
      yield { kind, first: true, items: [(await redis.get(key)) ?? ""] };
      return;
    case "list":
      yield* listPages(redis, key);
      return;
    case "hash":
      yield* scanned(kind, (cursor) => redis.hscan(key, cursor, "COUNT", PAGE));
      return;
    case "set":
      yield* scanned(kind, (cursor) => redis.sscan(key, cursor, "COUNT", PAGE));
      return;
    case "zset":
      yield* scanned(kind, (cursor) => redis.zscan(key, cursor, "COUNT", PAGE));
      return;
    default:
      throw new GatewayError("LEDGER_BROKEN", "a value of an unknown type");
  }
}

async function* scanned(
  kind: StoredKind,
  scan: (cursor: string) => Promise<[cursor: string, items: string[]]>,
): AsyncGenerator<StoredPage> {
  let cursor = "0";
  let first = true;
  do {
    const [next, items] = await scan(cursor);
    if (first || items.length > 0) yield { kind, first, items };
    first = false;
    cursor = next;
  } while (cursor !== "0");
}

/** A list that is trimmed at its beginning during the read is read again. */
async function* listPages(redis: Redis, key: string): AsyncGenerator<StoredPage> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const [begin, length] = await Promise.all([redis.lindex(key, 0), redis.llen(key)]);
    yield { kind: "list", first: true, items: [] };
    for (let at = 0; at < length; at += PAGE) {
      const items = await redis.lrange(key, at, Math.min(at + PAGE, length) - 1);
      yield { kind: "list", first: false, items };
    }
    if ((await redis.lindex(key, 0)) === begin) return;
  }
  throw new GatewayError("CONSENT_CONFLICT", "reading a list");
}

/** Adds a page to a value. */
export function writePage(to: ChainableCommander, key: string, { kind, first, items }: StoredPage): void {
  if (first) to.del(key);
  if (items.length === 0) return;
  if (kind === "string") to.set(key, items[0] ?? "");
  if (kind === "list") to.rpush(key, ...items);
  if (kind === "hash") to.hset(key, ...items);
  if (kind === "set") to.sadd(key, ...items);
  if (kind === "zset") to.zadd(key, ...items.map((_, index) => items[index ^ 1] ?? ""));
}

/** As `execAll`; `undefined` for a command that met a value of another type. */
export async function execEach(pipeline: ChainableCommander): Promise<unknown[]> {
  const replies = await pipeline.exec();
  return (replies ?? [[new Error("discarded"), undefined] as const]).map(([error, reply]) => {
    if (error !== null && !isMisshapen(error)) throw error;
    return error === null ? reply : undefined;
  });
}

/** Rejects when any of its commands failed; the error names no command. */
export async function execAll(pipeline: ChainableCommander): Promise<unknown[]> {
  const replies = await pipeline.exec();
  return (replies ?? [[new Error("discarded"), undefined] as const]).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}
