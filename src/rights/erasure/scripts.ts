/** Changes of an erasure record and of its tombstone. Each compares first, so that no run undoes another's work. */
import type { RedisScript } from "../../platform/redis-script.ts";

export const WRITE_RECORD: RedisScript = {
  name: "consentryWriteErasure",
  lua: `--[[
  Writes to the record of an open erasure, unless the erasure has advanced further than the writer knows.
  KEYS[1] record
  ARGV[1] step at which it must be, "" for any   ARGV[2] set, once, unset or replace
  ARGV[3..] fields: alternating name and value; for unset only names; for replace name, old value, new value
  Reply: 1 written, 0 the field has another value, -1 it is at another step or done
]]
local step = redis.call("HGET", KEYS[1], "step")
if not step or (ARGV[1] ~= "" and step ~= ARGV[1]) then return -1 end
if ARGV[2] == "once" then return redis.call("HSETNX", KEYS[1], ARGV[3], ARGV[4]) end
if ARGV[2] == "replace" then
  if redis.call("HGET", KEYS[1], ARGV[3]) ~= ARGV[4] then return 0 end
  redis.call("HSET", KEYS[1], ARGV[3], ARGV[5])
elseif ARGV[2] == "unset" then
  for index = 3, #ARGV do redis.call("HDEL", KEYS[1], ARGV[index]) end
else
  for index = 3, #ARGV, 2 do redis.call("HSET", KEYS[1], ARGV[index], ARGV[index + 1]) end
end
return 1`,
};

export const MEND_RECORD: RedisScript = {
  name: "consentryMendErasure",
  lua: `--[[
  Writes the required fields of a damaged erasure record again; its other fields are kept.
  KEYS[1] record
  ARGV[1] Unix ms of the request   ARGV[2] facts   ARGV[3] all known steps, comma-joined
  Reply: 1
]]
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then redis.call("DEL", KEYS[1]) end
redis.call("HSET", KEYS[1], "requestedAt", ARGV[1], "facts", ARGV[2])
local step = redis.call("HGET", KEYS[1], "step")
for known in string.gmatch(ARGV[3], "[^,]+") do if known == step then return 1 end end
redis.call("HSET", KEYS[1], "step", "drain")
return 1`,
};

export const ENTOMB: RedisScript = {
  name: "consentryEntomb",
  lua: `--[[
  Writes the tombstone of a subject, unless there is one of a later erasure, or a completed one of this erasure.
  KEYS[1] hash tag -> tombstone
  ARGV[1] tag   ARGV[2] Unix ms of the erasure request   ARGV[3] tombstone   ARGV[4] erasure   ARGV[5] "" until it is done
  Reply: 1 written, 0 there is a later one already
]]
local read, known = pcall(cjson.decode, redis.call("HGET", KEYS[1], ARGV[1]) or "null")
if read and type(known) == "table" and type(known.at) == "number" then
  if known.at > tonumber(ARGV[2]) then return 0 end
  if known.erasure == ARGV[4] and known.completedAt and ARGV[5] == "" then return 0 end
end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
return 1`,
};
