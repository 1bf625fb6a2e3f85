/**
 * Which properties `status` ever had here, and of which kind. A row of one that is configured no more is still someone's
 * data, to be exported and erased by its name; and a name that changed its kind would make two meanings of one field.
 */
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { Property } from "../model/property.ts";
import type { Keyspace } from "./keyspace.ts";
import { orRedisUnavailable } from "./redis.ts";
import { type RedisScript, runScript } from "./redis-script.ts";

export type NamedProperty = Pick<Property, "name" | "kind">;

const REMEMBER: RedisScript = {
  name: "consentryRememberProperties",
  lua: `--[[
  Adds properties to those that are known, all of them or, when one is known as another kind, none.
  KEYS[1] hash name -> kind   ARGV name and kind in turn
  Reply: name of the first one that was of another kind, "" for none
]]
for at = 1, #ARGV, 2 do
  local kind = redis.call("HGET", KEYS[1], ARGV[at])
  if kind and kind ~= ARGV[at + 1] then return ARGV[at] end
end
for at = 1, #ARGV, 2 do redis.call("HSETNX", KEYS[1], ARGV[at], ARGV[at + 1]) end
return ""`,
};

/** Throws PROPERTY_CHANGED with the name, which an operator wrote; REDIS_UNAVAILABLE. */
export async function rememberProperties(
  redis: Redis,
  keyspace: Keyspace,
  properties: readonly NamedProperty[],
): Promise<void> {
  const pairs = properties.flatMap(({ name, kind }) => [name, kind]);
  const changed = await orRedisUnavailable(() => runScript(redis, REMEMBER, [keyspace.properties], pairs));
  if (changed !== "") throw new GatewayError("PROPERTY_CHANGED", String(changed));
}

/** Those that are none any more, by name. Throws REDIS_UNAVAILABLE. */
export async function formerProperties(
  redis: Redis,
  keyspace: Keyspace,
  present: readonly Pick<NamedProperty, "name">[],
): Promise<NamedProperty[]> {
  const known = await orRedisUnavailable(() => redis.hgetall(keyspace.properties));
  const names = new Set(present.map(({ name }) => name));
  return Object.entries(known)
    .filter(([name]) => !names.has(name))
    .map(([name, kind]) => ({ name, kind: kind as Property["kind"] }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}
