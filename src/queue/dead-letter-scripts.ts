/** How dead letters come and go: letter, index and the count of bytes in one step, so that none is ever left out. */
import type { RedisScript } from "../platform/redis-script.ts";

export const ADD_LETTERS: RedisScript = {
  name: "consentryAddLetters",
  lua: `--[[
  Sets messages aside, all of them or, over the bound, none.
  KEYS[1] hash id -> letter   KEYS[2] bytes in it   KEYS[3..] by subject, hash id -> device key
  ARGV[1] bound in bytes   then for each letter: id, text, which of the subjects (0 for none), device key
  Reply: 1 added, 0 no room
]]
local bytes = tonumber(redis.call("GET", KEYS[2]) or "0")
if bytes >= tonumber(ARGV[1]) then return 0 end
for at = 2, #ARGV, 4 do
  redis.call("HSET", KEYS[1], ARGV[at], ARGV[at + 1])
  bytes = bytes + #ARGV[at + 1]
  local subject = tonumber(ARGV[at + 2])
  if subject > 0 then
    -- A list that is none must not keep a whole batch from being set aside; what it lacks is found by looking through all.
    redis.pcall("HSET", KEYS[2 + subject], ARGV[at], ARGV[at + 3])
  end
end
redis.call("SET", KEYS[2], bytes)
return 1`,
};

export const CLAIM_LETTER: RedisScript = {
  name: "consentryClaimLetter",
  lua: `--[[
  Lets one process put a letter back into the queue, and no other for a while.
  KEYS[1] hash id -> letter   KEYS[2] claim
  ARGV[1] id   ARGV[2] ms for which the claim stands
  Reply: the letter, or false: it is gone, or another process has it
]]
local letter = redis.call("HGET", KEYS[1], ARGV[1])
if not letter then return false end
if not redis.call("SET", KEYS[2], "1", "NX", "PX", ARGV[2]) then return false end
return letter`,
};

export const REMOVE_LETTERS: RedisScript = {
  name: "consentryRemoveLetters",
  lua: `--[[
  Removes letters: by id, or those of a subject, all of them or by device.
  KEYS[1] hash id -> letter   KEYS[2] bytes in it   KEYS[3] of the subject, hash id -> device key
  ARGV[1] id, device or all   ARGV[2..] which
  Reply: how many went; -1 when the list of the subject is none: what it should name is found by looking through all
]]
local ids = {}
local kind = KEYS[3] and redis.call("TYPE", KEYS[3]).ok
local listed = kind == "hash" or kind == "none"
if ARGV[1] ~= "id" and not listed then return -1 end
if ARGV[1] == "id" then
  for at = 2, #ARGV do table.insert(ids, ARGV[at]) end
else
  local wanted = {}
  for at = 2, #ARGV do wanted[ARGV[at]] = true end
  local index = redis.call("HGETALL", KEYS[3])
  for at = 1, #index, 2 do
    if ARGV[1] == "all" or wanted[index[at + 1]] then table.insert(ids, index[at]) end
  end
end
local gone, bytes = 0, 0
for _, id in ipairs(ids) do
  bytes = bytes + redis.call("HSTRLEN", KEYS[1], id)
  gone = gone + redis.call("HDEL", KEYS[1], id)
  if listed then redis.call("HDEL", KEYS[3], id) end
end
local left = tonumber(redis.call("GET", KEYS[2]) or "0") - bytes
if left > 0 then redis.call("SET", KEYS[2], left) else redis.call("DEL", KEYS[2]) end
return gone`,
};
