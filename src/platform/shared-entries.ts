/**
 * Entries that every gateway holds in memory: a hash in Redis, a count of its changes, and a channel on which each is told.
 * A change is one comparison with what was read and one write, so that of two at once one is refused. Each text is under a
 * MAC: a program that can write to Redis and has not the key can neither make an entry nor widen one.
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import type { Redis } from "ioredis";
import { orRedisUnavailable } from "./redis.ts";
import { type RedisScript, runScript } from "./redis-script.ts";

const CHANGE_ENTRY: RedisScript = {
  name: "consentryChangeEntry",
  lua: `--[[
  Replaces an entry if it is still what was read, or deletes it, and tells all gateways.
  KEYS[1] hash name -> entry   KEYS[2] number of changes
  ARGV[1] name   ARGV[2] entry as it was read, or ""   ARGV[3] new entry, or ""   ARGV[4] channel   ARGV[5] most entries
  Reply: number of changes; 0 when it was changed meanwhile; -1 when there are as many as there may be
]]
local stored = redis.call("HGET", KEYS[1], ARGV[1]) or ""
if stored ~= ARGV[2] then return 0 end
if stored == "" and redis.call("HLEN", KEYS[1]) >= tonumber(ARGV[5]) then return -1 end
if ARGV[3] == "" then redis.call("HDEL", KEYS[1], ARGV[1]) else redis.call("HSET", KEYS[1], ARGV[1], ARGV[3]) end
local changes = redis.call("INCR", KEYS[2])
redis.call("PUBLISH", ARGV[4], changes)
return changes`,
};

export interface EntryNames {
  /** Hash: name → text. */
  readonly entries: string;
  /** String: how often any of them was changed. */
  readonly changes: string;
  /** Pub/sub channel: that number, as each change is made. */
  readonly changed: string;
}

export interface EntryChange {
  readonly name: string;
  /** As it was read; "" when there was none. */
  readonly before: string;
  /** "" takes it away. */
  readonly after: string;
  /** How many entries there may be. */
  readonly most: number;
}

/** Throws REDIS_UNAVAILABLE or NOT_WRITABLE. */
export async function changeEntry(
  redis: Redis,
  { entries, changes, changed }: EntryNames,
  { name, before, after, most }: EntryChange,
): Promise<"changed" | "conflict" | "full"> {
  const args = [name, before, after, changed, most];
  const reply = await orRedisUnavailable(() => runScript(redis, CHANGE_ENTRY, [entries, changes], args));
  if (reply === 0) return "conflict";
  return reply === -1 ? "full" : "changed";
}

/** As it is in Redis; "" when there is none. */
export async function readEntry(redis: Redis, { entries }: EntryNames, name: string): Promise<string> {
  return (await orRedisUnavailable(() => redis.hget(entries, name))) ?? "";
}

/** By name, as they are in Redis. */
export function readEntries(redis: Redis, { entries }: EntryNames): Promise<Record<string, string>> {
  return orRedisUnavailable(() => redis.hgetall(entries));
}

/** How often any of them was changed. */
export async function readChanges(redis: Redis, { changes }: EntryNames): Promise<number> {
  return Number(await orRedisUnavailable(() => redis.get(changes))) || 0;
}

const MAC_LENGTH = 43;
const TOKEN_BYTES = 32;

/** Entries as texts under a MAC, and keyed digests of tokens; each use has a key of its own, derived from one key file. */
export class EntryTexts<Entry extends { readonly name: string }> {
  readonly #key: Buffer;
  readonly #checked: (value: unknown) => Entry | undefined;

  /** `use` names the use; changing it makes every earlier text unreadable. `checked`: `undefined` for what is no entry. */
  constructor(key: Buffer, use: string, checked: (value: unknown) => Entry | undefined) {
    this.#key = Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), use, 32));
    this.#checked = checked;
  }

  write(one: Entry): string {
    const text = JSON.stringify(one);
    return `${this.#mac("entry", text).toString("base64url")}.${text}`;
  }

  /** `undefined`: altered, written under another key, or another's entry. */
  read(name: string, stored: string): Entry | undefined {
    const text = stored.slice(MAC_LENGTH + 1);
    const given = Buffer.from(stored.slice(0, MAC_LENGTH), "base64url");
    if (!sameBytes(given, this.#mac("entry", text))) return undefined;
    const entry = this.#checked(JSON.parse(text));
    return entry?.name === name ? entry : undefined;
  }

  /** 43 base64url characters. */
  newToken(): string {
    return randomBytes(TOKEN_BYTES).toString("base64url");
  }

  /** 43 characters, base64url. */
  tokenDigest(text: string): string {
    return this.#mac("token", text).toString("base64url");
  }

  #mac(kind: "entry" | "token", text: string): Buffer {
    return createHmac("sha256", this.#key).update(`${kind}\0${text}`).digest();
  }
}

/** In constant time. */
export function sameBytes(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}
