/** Into the pool of what waits for a digest, and out of it into a digest: each in one step, so that nothing is told in part. */
import type { RedisScript } from "../../platform/redis-script.ts";

export const JOIN_DIGEST: RedisScript = {
  name: "consentryJoinDigest",
  lua: `--[[
  Puts an open erasure into the pool for each of these services that is in no digest and has not answered.
  KEYS[1] pool   KEYS[2] digests   KEYS[3] record of the erasure
  ARGV three for each: <purpose>:<service>, its member of the pool, Unix ms when it leaves
  Reply: how many were added
]]
if redis.call("HEXISTS", KEYS[3], "step") == 0 then return 0 end
local added = 0
for at = 1, #ARGV, 3 do
  local digest = redis.call("HGET", KEYS[3], "digest:" .. ARGV[at])
  local told = digest and (digest == "none" or redis.call("HEXISTS", KEYS[2], digest) == 1)
  if not told and redis.call("HEXISTS", KEYS[3], "ack:" .. ARGV[at]) == 0 then
    added = added + redis.call("ZADD", KEYS[1], "NX", ARGV[at + 2], ARGV[at + 1])
  end
end
return added`,
};

export const COMPOSE_DIGEST: RedisScript = {
  name: "consentryComposeDigest",
  lua: `--[[
  Takes members out of the pool and makes them one digest, if all of them are in there.
  KEYS[1] pool   KEYS[2] digests   KEYS[3] names of digests   KEYS[4..] records of the erasures
  ARGV[1] id, or "none" when there is nothing to tell   ARGV[2] what the digest is, "" for none   ARGV[3] its sealed names
  ARGV[4] <purpose>:<service>   ARGV[5..] a member of the pool for each record
  Reply: 1, or 0 when another gateway has taken one of them
]]
for index = 5, #ARGV do
  if not redis.call("ZSCORE", KEYS[1], ARGV[index]) then return 0 end
end
for index = 5, #ARGV do
  redis.call("ZREM", KEYS[1], ARGV[index])
  local record = KEYS[index - 1]
  -- One that is damaged must not hold up the others.
  if redis.pcall("HEXISTS", record, "step") == 1 then redis.call("HSET", record, "digest:" .. ARGV[4], ARGV[1]) end
end
if ARGV[2] ~= "" then
  redis.call("HSET", KEYS[2], ARGV[1], ARGV[2])
  redis.call("HSET", KEYS[3], ARGV[1], ARGV[3])
end
return 1`,
};
