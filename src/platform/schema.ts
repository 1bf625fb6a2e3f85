/**
 * The number of what a Redis holds. The first start on an empty one writes it; from then on nothing of another number works
 * here. Versions of before there was a number do not ask for it: what stops them stands where they look for a restore.
 */
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import { SCHEMA, UNNUMBERED } from "../model/schema.ts";
import type { Keyspace } from "./keyspace.ts";
import { orRedisUnavailable } from "./redis.ts";
import { type RedisScript, runScript } from "./redis-script.ts";

/** To versions without a number: a restore that never ends, which no gateway starts beside and no other restore takes over. */
const BARRIER = JSON.stringify({ id: "schema", stage: 2, swapping: true, untilMs: 9_000_000_000_000 });

const LIVE = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local live = #redis.call("ZRANGEBYSCORE", KEYS[3], "(" .. string.format("%.0f", now), "+inf") > 0
`;

const CLAIM: RedisScript = {
  name: "consentryClaimSchema",
  lua: `--[[
  Gives a Redis that holds nothing the number of what will be stored there, and keeps versions without a number away.
  KEYS[1] number   KEYS[2] barrier   KEYS[3] sorted set of gateways
  ARGV[1] our number   ARGV[2] text of the barrier   ARGV[3] "1" when there is something here already
  Reply: the number that stands there; "live": a gateway without one works here; "used": something is here without one
]]
${LIVE}
local number = redis.call("GET", KEYS[1])
if not number then
  if live then return "live" end
  if ARGV[3] == "1" then return "used" end
  number = ARGV[1]
  redis.call("SET", KEYS[1], number)
end
if number == ARGV[1] then redis.call("SET", KEYS[2], ARGV[2]) end
return number`,
};

const RAISE: RedisScript = {
  name: "consentryRaiseBarrier",
  lua: `--[[
  Keeps versions without a number away from now on, unless one is at work.
  KEYS[1] number   KEYS[2] barrier   KEYS[3] sorted set of gateways
  ARGV[1] text of the barrier
  Reply: "ok", "gateway-running", or "restore-unfinished": one that such a version began
]]
${LIVE}
if live then return "gateway-running" end
local sign = redis.call("GET", KEYS[2])
if sign and sign ~= ARGV[1] then
  local restore = cjson.decode(sign)
  if restore.swapping or restore.untilMs > now then return "restore-unfinished" end
end
redis.call("SET", KEYS[2], ARGV[1])
return "ok"`,
};

/**
 * To be called before anything is written; `used`: whether there is anything of an installation here, found out before.
 * Throws SCHEMA_DIFFERS, REDIS_UNAVAILABLE.
 */
export async function claimSchema(redis: Redis, keyspace: Keyspace, used: boolean): Promise<void> {
  const args = [SCHEMA, BARRIER, used ? "1" : "0"];
  const reply = String(await orRedisUnavailable(() => runScript(redis, CLAIM, namesOf(keyspace), args)));
  if (reply === "live") throw new GatewayError("SCHEMA_DIFFERS", "a gateway of an older version works on this Redis");
  requireOurs("redis", reply === "used" ? UNNUMBERED : Number(reply));
}

/** The same without writing anything; what has no number and nothing else has ours. Throws as `claimSchema`. */
export async function requireSchema(redis: Redis, keyspace: Keyspace, used: boolean): Promise<void> {
  requireOurs("redis", (await schemaIn(redis, keyspace)) ?? (used ? UNNUMBERED : SCHEMA));
}

/** `undefined` where there is none. Throws REDIS_UNAVAILABLE. */
export async function schemaIn(redis: Redis, { schema }: Keyspace): Promise<number | undefined> {
  const number = await orRedisUnavailable(() => redis.get(schema));
  return number === null ? undefined : Number(number);
}

/** Throws SCHEMA_DIFFERS. `where`: what holds it. */
export function requireOurs(where: string, number: number): void {
  if (number === SCHEMA) return;
  const remedy = number < SCHEMA ? "run npm run upgrade" : "it needs the version that wrote it";
  throw new GatewayError("SCHEMA_DIFFERS", `${where} holds schema ${number}, this version ${SCHEMA}: ${remedy}`);
}

/** Throws UPGRADE_REFUSED, REDIS_UNAVAILABLE. */
export async function raiseBarrier(redis: Redis, keyspace: Keyspace): Promise<void> {
  const reply = String(await orRedisUnavailable(() => runScript(redis, RAISE, namesOf(keyspace), [BARRIER])));
  if (reply !== "ok") throw new GatewayError("UPGRADE_REFUSED", reply);
}

/** The last step of an upgrade. */
export async function writeSchema(redis: Redis, { schema }: Keyspace): Promise<void> {
  await orRedisUnavailable(() => redis.set(schema, String(SCHEMA)));
}

function namesOf({ schema, barrier, gateways }: Keyspace): string[] {
  return [schema, barrier, gateways];
}
