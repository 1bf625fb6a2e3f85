/** How the record of an erasure changes, and the tombstone beside it: each by a comparison, so that no run undoes another's. */
import type { RedisScript } from "../../platform/redis-script.ts";

export const WRITE_RECORD: RedisScript = {
  name: "consentryWriteErasure",
  lua: `--[[
  Writes into the record of an erasure that is on its way, unless it has got further than whoever writes knows.
  KEYS[1] record
  ARGV[1] step at which it must be, "" for any   ARGV[2] set, once, unset or replace
  ARGV[3..] fields: name and value in turn; of unset names alone; of replace name, value before, value after
  Reply: 1 written, 0 something else stands there, -1 it is at another step or done
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
  Writes anew what a damaged record of an erasure must tell; what else is in it stays.
  KEYS[1] record
  ARGV[1] Unix ms when it was asked for   ARGV[2] facts   ARGV[3] steps there are, comma-joined
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
  Writes the tombstone of a subject, unless there is one of a later erasure, or of this one when it was done.
  KEYS[1] hash tag -> tombstone
  ARGV[1] tag   ARGV[2] Unix ms when the erasure was asked for   ARGV[3] tombstone   ARGV[4] erasure   ARGV[5] "" until it is done
  Reply: 1 written, 0 there is a later one
]]
local read, known = pcall(cjson.decode, redis.call("HGET", KEYS[1], ARGV[1]) or "null")
if read and type(known) == "table" and type(known.at) == "number" then
  if known.at > tonumber(ARGV[2]) then return 0 end
  if known.erasure == ARGV[4] and known.completedAt and ARGV[5] == "" then return 0 end
end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
return 1`,
};
