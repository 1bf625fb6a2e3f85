/** Adds and removes dead letters: letter, index and byte count change in one step, so that they always agree. */
import type { RedisScript } from "../platform/redis-script.ts";

export const ADD_LETTERS: RedisScript = {
  name: "consentryAddLetters",
  lua: `--[[
  Adds dead letters: all of them or, over the limit, none.
  KEYS[1] hash id -> letter   KEYS[2] bytes in it   KEYS[3..] by subject, hash id -> device key
  ARGV[1] limit in bytes   then for each letter: id, text, number of its subject (0 for none), device key
  Reply: 1 added, 0 no room
]]
local bytes = tonumber(redis.call("GET", KEYS[2]) or "0")
if bytes >= tonumber(ARGV[1]) then return 0 end
for at = 2, #ARGV, 4 do
  redis.call("HSET", KEYS[1], ARGV[at], ARGV[at + 1])
  bytes = bytes + #ARGV[at + 1]
  local subject = tonumber(ARGV[at + 2])
  if subject > 0 then
    -- An index of another type must not block a whole batch; its missing entries are found by a scan of all letters.
    redis.pcall("HSET", KEYS[2 + subject], ARGV[at], ARGV[at + 3])
  end
end
redis.call("SET", KEYS[2], bytes)
return 1`,
};

export const CLAIM_LETTER: RedisScript = {
  name: "consentryClaimLetter",
  lua: `--[[
  Lets only one process replay a letter, for a limited time.
  KEYS[1] hash id -> letter   KEYS[2] claim
  ARGV[1] id   ARGV[2] lifetime of the claim in ms
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
  Removes letters by id, or all letters of a subject, or those of its devices.
  KEYS[1] hash id -> letter   KEYS[2] bytes in it   KEYS[3] of the subject, hash id -> device key
  ARGV[1] id, device or all   ARGV[2..] the ids or devices
  Reply: number removed; -1 when the subject's index has another type: then the caller must scan all letters
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
