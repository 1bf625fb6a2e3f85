/**
 * Counts people, not devices and not messages: for each window and cell the subjects who were there, as hashes under the key of
 * the day, in Redis, so that all gateways count into one set and a killed one has lost nothing. A subject's part is capped:
 * so many cells in a window, so many messages in each, however many devices it has and however often they speak.
 */
import type { Redis } from "ioredis";
import type { Seen } from "../model/crowd.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import { type DayKeys, dayAt, KEPT_AFTER_DAY_MS } from "./day-keys.ts";

const COUNT: RedisScript = {
  name: "consentryCountSeen",
  lua: `--[[
  Counts subjects into a window and into their day; nothing once the window is closed.
  KEYS[1] hash of the window: "<cell>.<subject>" = messages, and "<subject>" = cells it is counted in
  KEYS[2] set of the day: "<cell>.<subject>"   KEYS[3] hash of the day: cell = subjects   KEYS[4] how far windows are told
  ARGV[1] window start   ARGV[2] ms until it goes by itself   ARGV[3] most entries of the window
  ARGV[4] most cells of a subject   ARGV[5] most messages of a subject in a cell   then: subject, cell, messages, and so on
  Reply: 1 counted, 0 the window is closed
]]
if tonumber(redis.call("HGET", KEYS[4], "closed") or "-1") >= tonumber(ARGV[1]) then return 0 end
local most = tonumber(ARGV[3])
local mostCells = tonumber(ARGV[4])
local mostMessages = tonumber(ARGV[5])
for at = 6, #ARGV, 3 do
  local subject = ARGV[at]
  local cell = ARGV[at + 1]
  local member = cell .. "." .. subject
  local messages = redis.call("HGET", KEYS[1], member)
  local counted = messages
  if not counted and redis.call("HLEN", KEYS[1]) < most then
    local cells = tonumber(redis.call("HGET", KEYS[1], subject) or "0")
    if cells < mostCells then
      redis.call("HSET", KEYS[1], subject, cells + 1)
      counted = true
    end
  end
  if counted then
    redis.call("HSET", KEYS[1], member, math.min(mostMessages, tonumber(messages or "0") + tonumber(ARGV[at + 2])))
    if redis.call("SADD", KEYS[2], member) == 1 then redis.call("HINCRBY", KEYS[3], cell, 1) end
  end
end
for key = 1, 3 do redis.call("PEXPIRE", KEYS[key], ARGV[2]) end
return 1`,
};

/** A subject is counted in this many cells of a window, and with this many messages in each. */
const MOST_CELLS = 4;
export const MOST_MESSAGES = 4;
/** Pairs of cell and subject in one window; those beyond it are not counted. */
const MOST_ENTRIES = 1_000_000;
const SUBJECTS_PER_CALL = 1_000;

export interface CountsPorts {
  readonly days: Pick<DayKeys, "of">;
  /** Unix ms, never ahead of the clock of Redis. */
  now(): number;
}

export class CrowdCounts {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #windowMs: number;
  readonly #ports: CountsPorts;
  /** What this process has counted of the present window: most messages add nothing, and so cost nothing. */
  #window = -1;
  readonly #counted = new Map<string, number>();

  constructor(redis: Redis, keyspace: Keyspace, windowMs: number, ports: CountsPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#windowMs = windowMs;
    this.#ports = ports;
  }

  /** Once for each message that told a place. May be repeated: a subject is counted once. Throws REDIS_UNAVAILABLE. */
  async add(seen: readonly Seen[]): Promise<void> {
    if (seen.length === 0) return;
    const nowMs = this.#ports.now();
    const start = nowMs - (nowMs % this.#windowMs);
    if (start !== this.#window) {
      this.#window = start;
      this.#counted.clear();
    }
    const added = this.#news(seen);
    if (added.size === 0) return;
    const day = dayAt(start);
    const key = await this.#ports.days.of(day);
    const triples = [...added.values()].map(({ seen: [subject, cell], messages }) => [
      key.nameOf(subject),
      cell,
      messages,
    ]);
    for (let from = 0; from < triples.length; from += SUBJECTS_PER_CALL) {
      await this.#count(start, day, triples.slice(from, from + SUBJECTS_PER_CALL).flat());
    }
    this.#remember(start, added);
  }

  #news(seen: readonly Seen[]): Map<string, { readonly seen: Seen; messages: number }> {
    const added = new Map<string, { readonly seen: Seen; messages: number }>();
    for (const one of seen) {
      const member = `${one[1]}.${one[0]}`;
      const before = (this.#counted.get(member) ?? 0) + (added.get(member)?.messages ?? 0);
      if (before >= MOST_MESSAGES) continue;
      const known = added.get(member);
      if (known === undefined) added.set(member, { seen: one, messages: 1 });
      else known.messages += 1;
    }
    return added;
  }

  async #count(start: number, day: number, triples: readonly (string | number)[]): Promise<void> {
    const keyspace = this.#keyspace;
    const keys = [
      keyspace.crowdWindow(start),
      keyspace.crowdDay(day),
      keyspace.crowdDayCells(day),
      keyspace.crowdProgress,
    ];
    const args = [start, KEPT_AFTER_DAY_MS, MOST_ENTRIES, MOST_CELLS, MOST_MESSAGES, ...triples];
    await orRedisUnavailable(() => runScript(this.#redis, COUNT, keys, args));
  }

  #remember(start: number, added: ReadonlyMap<string, { readonly messages: number }>): void {
    if (start !== this.#window) return;
    for (const [member, { messages }] of added) {
      if (this.#counted.size >= MOST_ENTRIES) return;
      this.#counted.set(member, (this.#counted.get(member) ?? 0) + messages);
    }
  }
}
