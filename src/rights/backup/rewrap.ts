/**
 * Rewraps every subject key under another master key while gateways run; a key that no master key unwraps stays
 * unchanged. Each key changes in one call together with every decision that contains it, and only if it was not changed
 * or destroyed meanwhile.
 */
import type { Redis } from "ioredis";
import { damageIn } from "../../model/damage.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { execAll, execEach, keysLike } from "../../platform/redis-values.ts";

const REWRAP_SUBJECT: RedisScript = {
  name: "consentryRewrapSubject",
  lua: `--[[
  Replaces the wrapped key of a subject in every place.
  KEYS[1] subject hash   KEYS[2..] its decisions
  ARGV[1] head of the ledger   ARGV[2] wrapped key   ARGV[3] the same key, rewrapped
  Reply: 1 replaced, 0 ledger or key has changed
]]
local now = redis.call("HMGET", KEYS[1], "head", "key")
if (now[1] or "") ~= ARGV[1] or now[2] ~= ARGV[2] then return 0 end
redis.call("HSET", KEYS[1], "key", ARGV[3])
for index = 2, #KEYS do
  local text = redis.pcall("GET", KEYS[index])
  if type(text) == "string" and string.sub(text, -#ARGV[2] - 1) == "|" .. ARGV[2] then
    redis.call("SET", KEYS[index], string.sub(text, 1, -#ARGV[2] - 1) .. ARGV[3])
  end
end
return 1`,
};

const REWRAP_ERASURE: RedisScript = {
  name: "consentryRewrapErasure",
  lua: `--[[
  Replaces the wrapped key that an erasure holds until it destroys it.
  KEYS[1] record of the erasure   ARGV[1] wrapped key   ARGV[2] the same key, rewrapped
  Reply: 1 replaced, 0 the key has changed or is destroyed
]]
if redis.call("HGET", KEYS[1], "key") ~= ARGV[1] then return 0 end
redis.call("HSET", KEYS[1], "key", ARGV[2])
return 1`,
};

const MAX_ATTEMPTS = 10;
/** So many damaged keys in a row have one common cause: the master key. */
const ENOUGH_TRIED = 1_000;

/** The same key under the current master key; `undefined` when it is already. Throws SUBJECT_KEY_UNREADABLE. */
export type Rewrap = (wrappedSubjectKey: string) => string | undefined;

/**
 * One pass over all keys; returns how many were rewrapped. A key that does not unwrap stays unchanged, and `unreadable`
 * is called; when several fail and none succeeds, the master keys are wrong. Can be interrupted and repeated. Throws
 * SUBJECT_KEY_UNREADABLE, REDIS_UNAVAILABLE.
 */
export function rewrapAll(
  redis: Redis,
  keyspace: Keyspace,
  rewrap: Rewrap,
  unreadable: () => void = () => undefined,
): Promise<number> {
  return orRedisUnavailable(async () => {
    const seen = { opened: 0, unreadable: 0 };
    const tried: Rewrap = (wrapped) => {
      try {
        const rewrapped = rewrap(wrapped);
        seen.opened += 1;
        return rewrapped;
      } catch (error) {
        if (damageIn(error) !== "subject-key") throw error;
        seen.unreadable += 1;
        unreadable();
        return undefined;
      }
    };
    const changed = await rewrapEach(redis, keyspace, tried);
    if (seen.opened === 0 && seen.unreadable > 1)
      throw new GatewayError("SUBJECT_KEY_UNREADABLE", "no key could be unwrapped");
    return changed;
  });
}

async function rewrapEach(redis: Redis, keyspace: Keyspace, rewrap: Rewrap): Promise<number> {
  let changed = 0;
  for await (const name of hashesWithKey(redis, keyspace.subject("*" as SubjectTag))) {
    const tag = (/\{([^}]+)\}:subject$/.exec(name)?.[1] ?? "") as SubjectTag;
    if (await rewrapSubject(redis, keyspace, tag, rewrap)) changed += 1;
  }
  for await (const name of hashesWithKey(redis, keyspace.erasure("*" as SubjectTag, "*"))) {
    const wrapped = await redis.hget(name, "key");
    const rewrapped = wrapped === null ? undefined : rewrap(wrapped);
    // An erasure that destroyed its key meanwhile is correct and done.
    if (
      wrapped !== null &&
      rewrapped !== undefined &&
      (await runScript(redis, REWRAP_ERASURE, [name], [wrapped, rewrapped])) === 1
    ) {
      changed += 1;
    }
  }
  return changed;
}

async function rewrapSubject(redis: Redis, keyspace: Keyspace, tag: SubjectTag, rewrap: Rewrap): Promise<boolean> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const read = redis.multi().hmget(keyspace.subject(tag), "head", "key").smembers(keyspace.devices(tag));
    const [fields, devices] = (await execEach(read)) as [(string | null)[] | undefined, string[] | undefined];
    const [head, wrapped] = fields ?? [];
    if (!wrapped) return false;
    const rewrapped = rewrap(wrapped);
    if (rewrapped === undefined) return false;
    const decisions =
      devices?.map((device) => keyspace.decision(tag, device as DeviceKey)) ?? (await found(redis, keyspace, tag));
    const names = [keyspace.subject(tag), ...decisions];
    if ((await runScript(redis, REWRAP_SUBJECT, names, [head ?? "", wrapped, rewrapped])) === 1) return true;
  }
  throw new GatewayError("CONSENT_CONFLICT", "wrapping a subject key");
}

/** The decisions of a subject whose set of devices has another type. */
async function found(redis: Redis, keyspace: Keyspace, tag: SubjectTag): Promise<string[]> {
  const names: string[] = [];
  for await (const page of keysLike(redis, keyspace.decision(tag, "*" as DeviceKey))) names.push(...page);
  return names;
}

/**
 * Answers whether a key that does not open can be undamaged: that is so when no other key opens either, because ours is
 * the wrong master key. `alone`: the answer when there is no other key to try.
 */
export function keyIsWhole(
  redis: Redis,
  keyspace: Keyspace,
  keyring: { opens(wrapped: string): boolean },
  { alone }: { readonly alone: boolean },
): (wrapped: string) => Promise<boolean> {
  return async (suspected) => {
    let tried = 0;
    for await (const wrapped of wrappedKeys(redis, keyspace)) {
      if (wrapped === suspected) continue;
      if (keyring.opens(wrapped)) return false;
      tried += 1;
      if (tried >= ENOUGH_TRIED) return true;
    }
    return tried === 0 ? alone : true;
  };
}

/** Every wrapped key, one by one. */
export async function* wrappedKeys(redis: Redis, keyspace: Keyspace): AsyncGenerator<string> {
  for (const pattern of [keyspace.subject("*" as SubjectTag), keyspace.erasure("*" as SubjectTag, "*")]) {
    for await (const name of hashesWithKey(redis, pattern)) {
      const wrapped = await redis.hget(name, "key");
      if (wrapped !== null) yield wrapped;
    }
  }
}

async function* hashesWithKey(redis: Redis, pattern: string): AsyncGenerator<string> {
  for await (const names of keysLike(redis, pattern, "hash")) {
    const asked = redis.pipeline();
    for (const name of names) asked.hexists(name, "key");
    const found = await execAll(asked);
    yield* names.filter((_, index) => found[index] === 1);
  }
}
