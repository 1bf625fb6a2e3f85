/** Everybody of whom something is under a legal hold: an index beside the ledgers, which alone are the truth. */
import { randomInt } from "node:crypto";
import type { Redis } from "ioredis";
import type { LegalHold } from "../../model/consent-record.ts";
import type { SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";

const ADD_HELD: RedisScript = {
  name: "consentryAddHeld",
  lua: `--[[
  Puts a subject on the list of the held, to be looked at when the first hold ends.
  KEYS[1] sorted set of subjects
  ARGV[1] subject   ARGV[2] Unix ms   ARGV[3] "1": also where an earlier moment stands there
  Reply: 1
]]
local known = tonumber(redis.call("ZSCORE", KEYS[1], ARGV[1]) or "-1")
if ARGV[3] == "1" or known < 0 or known > tonumber(ARGV[2]) then redis.call("ZADD", KEYS[1], ARGV[2], ARGV[1]) end
return 1`,
};

const DROP_HELD: RedisScript = {
  name: "consentryDropHeld",
  lua: `--[[
  Takes a subject off the list of the held, unless somebody has put it there since it was marked.
  KEYS[1] sorted set of subjects
  ARGV[1] subject   ARGV[2] mark: a score of its own, below 0
  Reply: 1 taken off, 0 it stays
]]
if tonumber(redis.call("ZSCORE", KEYS[1], ARGV[1]) or "0") ~= tonumber(ARGV[2]) then return 0 end
return redis.call("ZREM", KEYS[1], ARGV[1])`,
};

const MAX_MARK = 2 ** 47;

/** Every call throws `REDIS_UNAVAILABLE` when Redis does not answer. */
export class HeldSubjects {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #standing: (tag: SubjectTag) => Promise<readonly LegalHold[]>;

  constructor(redis: Redis, keyspace: Keyspace, standing: (tag: SubjectTag) => Promise<readonly LegalHold[]>) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#standing = standing;
  }

  async all(): Promise<SubjectTag[]> {
    return (await orRedisUnavailable(() => this.#redis.zrange(this.#keyspace.heldSubjects, "0", "-1"))) as SubjectTag[];
  }

  standing(tag: SubjectTag): Promise<readonly LegalHold[]> {
    return this.#standing(tag);
  }

  /** Subjects of whom a hold has ended by `nowMs`. */
  async due(nowMs: number): Promise<SubjectTag[]> {
    const due = () => this.#redis.zrangebyscore(this.#keyspace.heldSubjects, "-inf", String(nowMs));
    return (await orRedisUnavailable(due)) as SubjectTag[];
  }

  /** Before and after a hold is placed: whoever looks meanwhile may find nothing in the ledger yet. */
  async add(tag: SubjectTag, until: number): Promise<void> {
    await this.#run(ADD_HELD, [tag, until, "0"]);
  }

  /**
   * After holds ended: to be looked at again when the next one ends, or not at all. Returns whether any is left.
   * Marked first and taken off only with that mark: whoever places a hold in between has put the subject there anew.
   */
  async renew(tag: SubjectTag): Promise<boolean> {
    if (await this.#keep(tag)) return true;
    const mark = -1 - randomInt(MAX_MARK);
    await this.#run(ADD_HELD, [tag, mark, "1"]);
    if (await this.#keep(tag)) return true;
    await this.#run(DROP_HELD, [tag, mark]);
    return false;
  }

  async #keep(tag: SubjectTag): Promise<boolean> {
    const standing = await this.#standing(tag);
    // The score is the earliest end.
    if (standing.length > 0) await this.#run(ADD_HELD, [tag, Math.min(...standing.map(({ until }) => until)), "1"]);
    return standing.length > 0;
  }

  async #run(script: RedisScript, args: readonly (string | number)[]): Promise<void> {
    await orRedisUnavailable(() => runScript(this.#redis, script, [this.#keyspace.heldSubjects], args));
  }
}
