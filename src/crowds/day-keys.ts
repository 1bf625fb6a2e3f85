/**
 * The key of a UTC day, shared by all gateways on one Redis: random, sealed there under a key derived from `pepper.key`, and
 * destroyed when the day has been told. What was kept under it (hashes of subjects, draws of noise) can then neither be
 * made again nor be tested against a name, not even by someone who has the key files.
 */
import { createHmac, randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { DAY_MS } from "../model/durations.ts";
import { GatewayError } from "../model/errors.ts";
import type { SubjectTag } from "../model/ids.ts";
import { Seal } from "../platform/keys/seal.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";

const KEY_OF_DAY: RedisScript = {
  name: "consentryKeyOfDay",
  lua: `--[[
  The sealed key of a day; the proposed one when there is none, or when the present one is the one that does not open.
  KEYS[1] key of the day
  ARGV[1] proposed key, sealed   ARGV[2] ms until it goes by itself   ARGV[3] a sealed key that does not open, or empty
  Reply: the sealed key
]]
local present = redis.call("GET", KEYS[1])
if present and present ~= ARGV[3] then return present end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return ARGV[1]`,
};

/** After this long it is asked again which key the day has: another gateway may have begun with an emptied Redis. */
const TRUSTED_MS = 10_000;
/** A day that could not be told, because the store was away, is given up this long after its end. */
export const KEPT_AFTER_DAY_MS = 2 * DAY_MS;
const KEY_BYTES = 32;
const SUBJECT_BYTES = 8;

/** What is done with the key of one day. */
export class DayKey {
  readonly #key: Buffer;
  /** Seals values that belong to the day, and end with it. */
  readonly seal: Seal;

  constructor(key: Buffer) {
    this.#key = key;
    this.seal = new Seal(key, "value of a day");
  }

  /** 32 bytes to draw from. */
  bytesFor(use: string, of: string): Buffer {
    return createHmac("sha256", this.#key).update(`${use}\0${of}`).digest();
  }

  /** 11 characters by which a subject is known within the day, and never after it. */
  nameOf(subject: SubjectTag): string {
    return this.bytesFor("subject", subject).toString("base64url", 0, SUBJECT_BYTES);
  }
}

export interface DayKeysPorts {
  /** Called after a key was deleted, so that it leaves the append-only file as well. */
  readonly destroyed: () => Promise<void>;
}

export class DayKeys {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #seal: Seal;
  readonly #ports: DayKeysPorts;
  readonly #known = new Map<number, { readonly key: DayKey; readonly trustedUntil: number }>();

  /** `pepper`: the key file under which the keys of days are sealed. */
  constructor(redis: Redis, keyspace: Keyspace, pepper: Buffer, ports: DayKeysPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#seal = new Seal(pepper, "key of a day");
    this.#ports = ports;
  }

  /** The key of a day (days since 1970, UTC), made when there is none. Throws REDIS_UNAVAILABLE, NOT_WRITABLE. */
  async of(day: number): Promise<DayKey> {
    const known = this.#known.get(day);
    if (known !== undefined && performance.now() < known.trustedUntil) return known.key;
    const key = (await this.#read(day, "")) ?? (await this.#read(day, await this.#sealed(day)));
    if (key === undefined) throw new GatewayError("REDIS_UNAVAILABLE", "key of a day");
    this.#known.set(day, { key, trustedUntil: performance.now() + TRUSTED_MS });
    for (const other of this.#known.keys()) if (other < day - 2) this.#known.delete(other);
    return key;
  }

  /** Throws REDIS_UNAVAILABLE. Safe to repeat. */
  async destroy(day: number): Promise<void> {
    this.#known.delete(day);
    const gone = await orRedisUnavailable(() => this.#redis.del(this.#keyspace.dayKey(day)));
    if (gone > 0) await this.#ports.destroyed();
  }

  async #sealed(day: number): Promise<string> {
    return (await orRedisUnavailable(() => this.#redis.get(this.#keyspace.dayKey(day)))) ?? "";
  }

  /** `undefined` when what is there does not open. */
  async #read(day: number, unreadable: string): Promise<DayKey | undefined> {
    const proposed = this.#seal.seal(randomBytes(KEY_BYTES).toString("base64url"));
    const endMs = (day + 1) * DAY_MS + KEPT_AFTER_DAY_MS;
    const args = [proposed, Math.max(DAY_MS, endMs - Date.now()), unreadable];
    const sealed = await orRedisUnavailable(() =>
      runScript(this.#redis, KEY_OF_DAY, [this.#keyspace.dayKey(day)], args),
    );
    const opened = this.#seal.open(String(sealed));
    const key = typeof opened === "string" ? Buffer.from(opened, "base64url") : undefined;
    return key?.length === KEY_BYTES ? new DayKey(key) : undefined;
  }
}

/** Days since 1970, UTC. */
export function dayAt(ms: number): number {
  return Math.floor(ms / DAY_MS);
}
