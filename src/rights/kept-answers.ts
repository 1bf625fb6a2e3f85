/**
 * Answers that are repeated when the same request arrives again under the same Idempotency-Key. They may contain a
 * token or a link, so each is sealed under a key derived from the Idempotency-Key, which is never stored; the name and
 * the request are stored as keyed hashes. Bounded in number, and kept for hours.
 */
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { BegunAnswer, KeptAnswer } from "../model/kept-answer.ts";
import { Seal } from "../platform/keys/seal.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";

export interface KeptAnswersOptions {
  readonly maxAnswers: number;
  readonly keepMs: number;
  /** Longer than a request may take. Afterwards the key is free for another attempt. */
  readonly claimMs: number;
}

const MAX_ANSWER_CHARACTERS = 65_536;

const CLAIM_ANSWER: RedisScript = {
  name: "consentryClaimAnswer",
  lua: `--[[
  Claims a key for a request, unless it is claimed already. Expired answers, and the oldest above the limit, are removed.
  KEYS[1] hash of answers   KEYS[2] sorted set of their ends
  ARGV[1] name of the key   ARGV[2] hash of the request   ARGV[3] claim   ARGV[4] ms the claim lasts
  ARGV[5] ms an answer is kept   ARGV[6] maximum number of answers
  Reply: "new", "reused", "in-use", or the sealed answer
]]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, name in ipairs(redis.call("ZRANGEBYSCORE", KEYS[2], "-inf", now, "LIMIT", 0, 100)) do
  redis.call("HDEL", KEYS[1], name)
  redis.call("ZREM", KEYS[2], name)
end
local known = redis.call("HGET", KEYS[1], ARGV[1])
if known then
  local request, _, ends, answer = string.match(known, "^(%S+) (%S+) (%d+) (%S*)$")
  if request ~= ARGV[2] then return "reused" end
  if answer ~= "" then return answer end
  if tonumber(ends) > now then return "in-use" end
end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[2] .. " " .. ARGV[3] .. " " .. string.format("%d", now + ARGV[4]) .. " ")
redis.call("ZADD", KEYS[2], now + ARGV[5], ARGV[1])
while redis.call("ZCARD", KEYS[2]) > tonumber(ARGV[6]) do
  redis.call("HDEL", KEYS[1], redis.call("ZPOPMIN", KEYS[2])[1])
end
redis.call("PEXPIRE", KEYS[1], ARGV[5])
redis.call("PEXPIRE", KEYS[2], ARGV[5])
return "new"`,
};

const SETTLE_ANSWER: RedisScript = {
  name: "consentrySettleAnswer",
  lua: `--[[
  Stores the answer to a request, or releases its key.
  KEYS[1] hash of answers   KEYS[2] sorted set of their ends
  ARGV[1] name of the key   ARGV[2] hash of the request   ARGV[3] claim   ARGV[4] sealed answer, "" to release the key
  Reply: 1, or 0 when the claim is no longer held
]]
local known = redis.call("HGET", KEYS[1], ARGV[1])
local held = ARGV[2] .. " " .. ARGV[3] .. " "
if not known or string.sub(known, 1, #held) ~= held then return 0 end
if ARGV[4] ~= "" then
  redis.call("HSET", KEYS[1], ARGV[1], held .. "0 " .. ARGV[4])
else
  redis.call("HDEL", KEYS[1], ARGV[1])
  redis.call("ZREM", KEYS[2], ARGV[1])
end
return 1`,
};

export class KeptAnswers {
  readonly #redis: Redis;
  readonly #names: readonly [answers: string, ends: string];
  readonly #key: Buffer;
  readonly #options: KeptAnswersOptions;

  constructor(redis: Redis, keyspace: Keyspace, key: Buffer, options: KeptAnswersOptions) {
    this.#redis = redis;
    this.#names = [keyspace.keptAnswers, keyspace.keptAnswerEnds];
    this.#key = Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), "consentry kept answers 1", 32));
    this.#options = options;
  }

  /** `address`: the scope of the key; `request`: everything that was requested there. Throws REDIS_UNAVAILABLE. */
  async begin(address: string, key: string, request: string): Promise<BegunAnswer> {
    const { claimMs, keepMs, maxAnswers } = this.#options;
    const of = `${address}\0${key}`;
    const held = [
      this.#hash("name", of),
      this.#hash("request", `${of}\0${request}`),
      randomBytes(9).toString("base64url"),
    ];
    const reply = await this.#run(CLAIM_ANSWER, [...held, claimMs, keepMs, maxAnswers]);
    if (reply === "reused" || reply === "in-use") return { state: reply };
    const seal = new Seal(createHmac("sha256", this.#key).update(`seal\0${of}`).digest(), "kept answer");
    if (reply !== "new") return { state: "answered", answer: seal.open(String(reply)) as KeptAnswer };
    const finish = async (sealed: string): Promise<void> => {
      await this.#run(SETTLE_ANSWER, [...held, sealed]);
    };
    return {
      state: "new",
      keep: (answer) => finish(answer.body.length > MAX_ANSWER_CHARACTERS ? "" : seal.seal(answer)),
      release: () => finish(""),
    };
  }

  #hash(what: string, text: string): string {
    return createHmac("sha256", this.#key).update(`${what}\0${text}`).digest("base64url");
  }

  #run(script: RedisScript, args: readonly (string | number)[]): Promise<unknown> {
    return orRedisUnavailable(() => runScript(this.#redis, script, [...this.#names], [...args]));
  }
}
