/**
 * Which names went to which services, a list for each subject: a notice of erasure names these and no others. Each note is
 * sealed under the subject's key and dies with the epoch after that of its name, by which services have dropped it.
 */
import type { Redis } from "ioredis";
import type { ForwardedName } from "../../model/forwarded-name.ts";
import type { Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { NamedServicePurpose } from "../../model/purposes.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { isMisshapen, orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";

/** Of the keyring. Both throw SUBJECT_KEY_UNREADABLE. */
export interface NoteSeal {
  sealForwarded(wrappedSubjectKey: string, notes: readonly string[]): string[];
  openForwarded(wrappedSubjectKey: string, sealed: readonly string[]): (string | undefined)[];
}

export interface NotedName {
  readonly purpose: NamedServicePurpose;
  readonly recipient: string;
  readonly name: Pseudonym;
  /** Unix ms. */
  readonly until: number;
  /** As it stands in Redis. */
  readonly note: string;
}

/**
 * Far above what the bindings that a ledger has room for can come to. Beyond it those go first that a service has to drop first.
 */
const MAX_NOTES = 100_000;
const NOTES_PER_CALL = 500;

const NOTE: RedisScript = {
  name: "consentryNoteForwarded",
  lua: `--[[
  Adds notes to lists of forwarded names, and removes those of a time that is over.
  KEYS list of the subject, one for each note
  ARGV[1] Unix ms   ARGV[2] most notes of a list   ARGV[3..] for each note Unix ms until when it is kept, and the note
  Reply: 1
]]
-- By the earlier of two clocks: one that is ahead ends nothing.
local time = redis.call("TIME")
local now = math.min(tonumber(ARGV[1]), time[1] * 1000 + math.floor(time[2] / 1000))
local seen = {}
for index, key in ipairs(KEYS) do
  local score, note = ARGV[2 * index + 1], ARGV[2 * index + 2]
  -- A value of another type is replaced: it must not prevent that others are forwarded.
  local added = redis.pcall("ZADD", key, score, note)
  if type(added) == "table" then
    redis.call("DEL", key)
    redis.call("ZADD", key, score, note)
  end
  seen[key] = true
end
for key in pairs(seen) do
  redis.call("ZREMRANGEBYSCORE", key, "-inf", string.format("%.0f", now))
  redis.call("ZREMRANGEBYRANK", key, 0, -1 - tonumber(ARGV[2]))
  local last = redis.call("ZREVRANGE", key, 0, 0, "WITHSCORES")
  if last[2] then redis.call("PEXPIRE", key, string.format("%.0f", math.max(1, tonumber(last[2]) - now))) end
end
return 1`,
};

/** Every method throws REDIS_UNAVAILABLE. */
export class ForwardedNames {
  readonly #redis: Redis;
  readonly #keyspace: Pick<Keyspace, "forwardedNames" | "forwardedSince">;
  readonly #seal: NoteSeal;
  readonly #now: () => number;

  constructor(
    redis: Redis,
    keyspace: Pick<Keyspace, "forwardedNames" | "forwardedSince">,
    seal: NoteSeal,
    now: () => number = Date.now,
  ) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#seal = seal;
    this.#now = now;
  }

  /** To be called before anything is forwarded: from here on the lists are complete, unless they were before. */
  async begin(): Promise<void> {
    await orRedisUnavailable(() => this.#redis.set(this.#keyspace.forwardedSince, this.#now(), "NX"));
  }

  /** Unix ms since when they are complete; `undefined` when that is not known. */
  async since(): Promise<number | undefined> {
    const at = await orRedisUnavailable(() => this.#redis.get(this.#keyspace.forwardedSince));
    return at !== null && /^\d{1,15}$/.test(at) ? Number(at) : undefined;
  }

  /** Resolves when all of them stand on the lists. Throws SUBJECT_KEY_UNREADABLE too. */
  async note(names: readonly ForwardedName[]): Promise<void> {
    const bySubject = new Map<string, ForwardedName[]>();
    for (const one of names) {
      const some = bySubject.get(one.wrappedSubjectKey);
      if (some === undefined) bySubject.set(one.wrappedSubjectKey, [one]);
      else some.push(one);
    }
    const sealed = [...bySubject].flatMap(([key, some]) => {
      const notes = this.#seal.sealForwarded(key, some.map(textOf));
      return some.map(({ subject, until }, index) => ({ subject, until, note: notes[index] ?? "" }));
    });
    for (let from = 0; from < sealed.length; from += NOTES_PER_CALL) {
      const some = sealed.slice(from, from + NOTES_PER_CALL);
      const lists = some.map(({ subject }) => this.#keyspace.forwardedNames(subject));
      const args = [this.#now(), MAX_NOTES, ...some.flatMap(({ until, note }) => [until, note])];
      await orRedisUnavailable(() => runScript(this.#redis, NOTE, lists, args));
    }
  }

  /** What opens under this key: what stands there under another one is of another time. Throws SUBJECT_KEY_UNREADABLE too. */
  async of(subject: SubjectTag, wrappedSubjectKey: string): Promise<NotedName[]> {
    const list = await orRedisUnavailable(() =>
      this.#redis
        .zrange(this.#keyspace.forwardedNames(subject), "0", "-1", "WITHSCORES")
        .catch((error: unknown): string[] => {
          if (!isMisshapen(error)) throw error;
          return [];
        }),
    );
    const notes = list.filter((_, index) => index % 2 === 0);
    const texts = this.#seal.openForwarded(wrappedSubjectKey, notes);
    return notes.flatMap((note, index) => {
      const [purpose, recipient, name] = texts[index]?.split(" ") ?? [];
      if (purpose === undefined || recipient === undefined || name === undefined) return [];
      const until = Number(list[2 * index + 1]);
      return [{ purpose: purpose as NamedServicePurpose, recipient, name: name as Pseudonym, until, note }];
    });
  }

  async forget(subject: SubjectTag, notes: readonly string[]): Promise<void> {
    for (let from = 0; from < notes.length; from += NOTES_PER_CALL) {
      const some = notes.slice(from, from + NOTES_PER_CALL);
      await orRedisUnavailable(() =>
        this.#redis.zrem(this.#keyspace.forwardedNames(subject), [...some]).catch((error: unknown) => {
          if (!isMisshapen(error)) throw error;
          return 0;
        }),
      );
    }
  }
}

function textOf({ recipient, name }: ForwardedName): string {
  return `${recipient.purpose} ${recipient.name} ${name}`;
}
