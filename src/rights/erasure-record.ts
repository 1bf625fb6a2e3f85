/**
 * The record of an erasure in Redis: what is known, which step comes next, what each step found. Every
 * write is one that may be made twice. Field by field:
 *
 *   requestedAt facts step key · heldUntil spared · waitCode waitSince
 *   freed-<spared>:<sink> rows:<sink> swept:<sink> uncounted:<sink> method:<sink> verified:<sink> sweepAt
 *   untold notices nameless notifyAt remindAt told:<purpose>:<service> ack:<purpose>:<service> · destroyedAt ledgerHead
 *   completedAt receipt
 */
import type { Redis } from "ioredis";
import type { ErasureFacts, ErasureStep } from "../model/erasure.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { orConsentUnreachable } from "../platform/redis.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import type { NameTimes } from "./live-names.ts";

export interface ErasureRecord {
  readonly id: string;
  readonly tag: SubjectTag;
  readonly requestedAt: number;
  /** Absent once everything is done. */
  readonly step: ErasureStep | undefined;
  /** The key the erasure took out of use; absent when there was none, and once it is destroyed. */
  readonly wrappedSubjectKey: string | undefined;
  readonly facts: ErasureFacts;
  readonly fields: Readonly<Record<string, string>>;
}

const ENTOMB: RedisScript = {
  name: "consentryEntomb",
  lua: `--[[
  Writes the tombstone of a subject, unless there is one of a later erasure.
  KEYS[1] hash tag -> tombstone
  ARGV[1] tag   ARGV[2] Unix ms when the erasure was asked for   ARGV[3] tombstone
  Reply: 1 written, 0 there is a later one
]]
local known = redis.call("HGET", KEYS[1], ARGV[1])
if known and cjson.decode(known).at > tonumber(ARGV[2]) then return 0 end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
return 1`,
};

/** What may be kept of a finished erasure: no device, no name, no key. */
const DROPPED_AT_THE_END = [
  "facts",
  "notices",
  "nameless",
  "untold",
  "key",
  "step",
  "heldUntil",
  "spared",
  "waitCode",
  "waitSince",
  "sweepAt",
  "notifyAt",
  "remindAt",
] as const;

const PAGE = 200;

const NO_FACTS: ErasureFacts = { devices: [], purposes: [] };

/** Everything here throws CONSENT_UNREACHABLE when Redis does not answer. */
export class ErasureRecords {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;

  constructor(redis: Redis, keys: RedisKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Before the erasure begins, so that one that began is always found again. */
  async register(id: string, tag: SubjectTag): Promise<void> {
    await this.#run((redis) =>
      Promise.all([redis.hset(this.#keys.erasureIndex, id, tag), redis.sadd(this.#keys.openErasures, id)]),
    );
  }

  /** For an id that was never begun. */
  async unregister(id: string): Promise<void> {
    await this.#run((redis) =>
      Promise.all([redis.srem(this.#keys.openErasures, id), redis.hdel(this.#keys.erasureIndex, id)]),
    );
  }

  open(): Promise<string[]> {
    return this.#run((redis) => redis.smembers(this.#keys.openErasures));
  }

  async read(id: string): Promise<ErasureRecord | undefined> {
    const tag = (await this.#run((redis) => redis.hget(this.#keys.erasureIndex, id))) as SubjectTag | null;
    if (tag === null) return undefined;
    const fields = await this.#run((redis) => redis.hgetall(this.#keys.erasure(tag, id)));
    if (fields.requestedAt === undefined) return undefined;
    return {
      id,
      tag,
      requestedAt: Number(fields.requestedAt),
      step: fields.step as ErasureStep | undefined,
      wrappedSubjectKey: fields.key,
      facts: fields.facts === undefined ? NO_FACTS : (JSON.parse(fields.facts) as ErasureFacts),
      fields,
    };
  }

  async set({ tag, id }: ErasureRecord, fields: Readonly<Record<string, string | number>>): Promise<void> {
    await this.#run((redis) => redis.hset(this.#keys.erasure(tag, id), { ...fields }));
  }

  /** Keeps what an earlier attempt found. */
  async setOnce({ tag, id }: ErasureRecord, field: string, value: string | number): Promise<void> {
    await this.#run((redis) => redis.hsetnx(this.#keys.erasure(tag, id), field, value));
  }

  async unset({ tag, id }: ErasureRecord, ...fields: string[]): Promise<void> {
    await this.#run((redis) => redis.hdel(this.#keys.erasure(tag, id), ...fields));
  }

  async close(record: ErasureRecord): Promise<void> {
    await this.unset(record, ...DROPPED_AT_THE_END);
    await this.#run((redis) => redis.srem(this.#keys.openErasures, record.id));
  }

  /** How many erasures were completed before a moment, those of `except` and those on their way left out. */
  older(beforeMs: number, except: ReadonlySet<SubjectTag>): Promise<number> {
    return this.#old(beforeMs, except, async () => undefined);
  }

  /** Deletes their records, and that there were any. Safe to repeat. */
  expire(beforeMs: number, except: ReadonlySet<SubjectTag>): Promise<number> {
    return this.#old(beforeMs, except, async (id, tag) => {
      await this.#redis.unlink(this.#keys.erasure(tag, id));
      await this.#redis.hdel(this.#keys.erasureIndex, id);
    });
  }

  #old(
    beforeMs: number,
    except: ReadonlySet<SubjectTag>,
    each: (id: string, tag: SubjectTag) => Promise<void>,
  ): Promise<number> {
    return this.#run(async (redis) => {
      let old = 0;
      for await (const entries of redis.hscanStream(this.#keys.erasureIndex, { count: PAGE }) as AsyncIterable<
        string[]
      >) {
        for (let at = 0; at < entries.length; at += 2) {
          const [id = "", tag] = [entries[at], entries[at + 1] as SubjectTag];
          if (except.has(tag)) continue;
          const [completedAt, step] = await redis.hmget(this.#keys.erasure(tag, id), "completedAt", "step");
          if (completedAt == null || step != null || Number(completedAt) >= beforeMs) continue;
          await each(id, tag);
          old += 1;
        }
      }
      return old;
    });
  }

  /** What a restore needs to know about this subject: that everything up to `requestedAt` must go. */
  async entomb({ id, tag, requestedAt, fields }: ErasureRecord): Promise<void> {
    const { destroyedAt, ledgerHead } = fields;
    const done = destroyedAt === undefined ? {} : { head: ledgerHead, completedAt: Number(destroyedAt) };
    const stone = JSON.stringify({ erasure: id, at: requestedAt, ...done });
    await this.#run((redis) => runScript(redis, ENTOMB, [this.#keys.tombstones], [tag, requestedAt, stone]));
  }

  boundDevices(tag: SubjectTag): Promise<DeviceKey[]> {
    return this.#run((redis) => redis.smembers(this.#keys.devices(tag)) as Promise<DeviceKey[]>);
  }

  /** Pseudonyms are made with epochs of this length from now on. */
  async useEpochLength(lengthMs: number): Promise<void> {
    await this.#run((redis) => redis.sadd(this.#keys.epochLengths, lengthMs));
  }

  /** Admission takes a device's word for the time within these bounds from now on. Milliseconds. */
  async useClockWindow(pastMs: number, futureMs: number): Promise<void> {
    await this.#run((redis) => redis.sadd(this.#keys.clockWindows, `${pastMs}:${futureMs}`));
  }

  /** Of today and of every configuration before: what was stored under those is still there. */
  async times(): Promise<NameTimes> {
    const [lengths, windows] = await this.#run((redis) =>
      Promise.all([redis.smembers(this.#keys.epochLengths), redis.smembers(this.#keys.clockWindows)]),
    );
    const ever = windows.map((window) => window.split(":").map(Number));
    return {
      epochLengthsMs: lengths.map(Number).filter((length) => length > 0),
      clockWindowPastMs: Math.max(0, ...ever.map(([past]) => past ?? 0)),
      clockWindowFutureMs: Math.max(0, ...ever.map(([, future]) => future ?? 0)),
    };
  }

  #run<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    return orConsentUnreachable(() => command(this.#redis));
  }
}
