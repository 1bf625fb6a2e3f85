/** Index of all subjects with data under a legal hold. The ledgers are the source of truth. */
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
  Adds a subject to the index of held subjects; the score is the time of the next check.
  KEYS[1] sorted set of subjects
  ARGV[1] subject   ARGV[2] Unix ms   ARGV[3] "1": also replace an earlier time
  Reply: 1
]]
local known = tonumber(redis.call("ZSCORE", KEYS[1], ARGV[1]) or "-1")
if ARGV[3] == "1" or known < 0 or known > tonumber(ARGV[2]) then redis.call("ZADD", KEYS[1], ARGV[2], ARGV[1]) end
return 1`,
};

const DROP_HELD: RedisScript = {
  name: "consentryDropHeld",
  lua: `--[[
  Removes a subject from the index of held subjects, unless it was added again since it was marked.
  KEYS[1] sorted set of subjects
  ARGV[1] subject   ARGV[2] mark: a score of its own, below 0
  Reply: 1 removed, 0 kept
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

  /** Subjects with a hold that ended by `nowMs`. */
  async due(nowMs: number): Promise<SubjectTag[]> {
    const due = () => this.#redis.zrangebyscore(this.#keyspace.heldSubjects, "-inf", String(nowMs));
    return (await orRedisUnavailable(due)) as SubjectTag[];
  }

  /** Before and after a hold is placed: a reader in between may not find it in the ledger yet. */
  async add(tag: SubjectTag, until: number): Promise<void> {
    await this.#run(ADD_HELD, [tag, until, "0"]);
  }

  /**
   * After holds ended: schedules the check for the next end, or removes the subject. Returns whether a hold is left. It
   * marks first and removes only with that mark: a hold placed in between has added the subject again.
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
