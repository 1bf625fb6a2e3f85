/** The account of disclosures in Redis: lines are added, counted and deleted in one step each. */
import type { RedisScript } from "../../platform/redis-script.ts";

export const OPEN_LINES: RedisScript = {
  name: "consentryOpenDisclosures",
  lua: `--[[
  Adds lines to the account of disclosures; existing lines stay unchanged.
  KEYS[1] totals   KEYS[2..] account of the subject, one for each line
  ARGV: for each line the field of its month and its day of the month; then every field of the totals
  Reply: number of lines added
]]
local opened = 0
local lines = #KEYS - 1
for index = 1, lines do
  local key, field, day = KEYS[index + 1], ARGV[2 * index - 1], ARGV[2 * index]
  local days = redis.pcall("HGET", key, field)
  -- A value of another type is replaced by a new account: it must not prevent other subjects' lines.
  if type(days) == "table" then
    redis.call("DEL", key)
    days = false
  end
  if not days then
    redis.call("HSET", key, field, day .. ":0")
    opened = opened + 1
  elseif not string.find(days, day .. ":", 1, true) then
    redis.call("HSET", key, field, days .. " " .. day .. ":0")
    opened = opened + 1
  end
end
for index = 2 * lines + 1, #ARGV do redis.call("HSETNX", KEYS[1], ARGV[index], 0) end
return opened`,
};

export const ADD_COUNTS: RedisScript = {
  name: "consentryAddDisclosures",
  lua: `--[[
  Adds counts to existing lines of the account: a line that an erasure deleted is not created again.
  KEYS[1] number of this writer's last call   KEYS[2] totals   KEYS[3..] account of the subject, one for each line
  ARGV[1] number of this call   ARGV[2] seconds for which it is stored
  ARGV[3..] for each line the field of its month, its day of the month, its count; then for the totals field and count
  Reply: 1 added, 0 this call was executed before
]]
local last = tonumber(redis.call("GET", KEYS[1]) or "0")
if tonumber(ARGV[1]) <= last then return 0 end
local lines = #KEYS - 2
for index = 1, lines do
  local key, at = KEYS[index + 2], 3 * index
  local field, day, more = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local days = redis.pcall("HGET", key, field)
  if type(days) == "string" then
    local added = string.gsub(days, "%f[%d]" .. day .. ":(%d+)", function(count)
      return day .. ":" .. string.format("%.0f", tonumber(count) + more)
    end)
    redis.call("HSET", key, field, added)
  end
end
for index = 3 * lines + 3, #ARGV, 2 do redis.pcall("HINCRBY", KEYS[2], ARGV[index], ARGV[index + 1]) end
redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2])
return 1`,
};

export const ERASE_LINES: RedisScript = {
  name: "consentryEraseDisclosures",
  lua: `--[[
  Deletes the lines opened before a revision of the ledger.
  KEYS[1] account of the subject   ARGV[1] first revision to keep   Reply: fields deleted
]]
local deleted = 0
local fields = redis.pcall("HKEYS", KEYS[1])
-- A value of another type has no lines with an age.
if fields.err then return redis.call("DEL", KEYS[1]) end
for _, field in ipairs(fields) do
  if (tonumber(string.match(field, "^%d+")) or 0) < tonumber(ARGV[1]) then
    deleted = deleted + redis.call("HDEL", KEYS[1], field)
  end
end
return deleted`,
};

export const OLD_LINES: RedisScript = {
  name: "consentryOldDisclosures",
  lua: `--[[
  Counts the lines before a given day, and deletes them if requested.
  KEYS[1] account of the subject
  ARGV[1] month of the first day to keep   ARGV[2] its day of the month   ARGV[3] "delete" or "count"
  Reply: number of older lines; -1 when the value is no account
]]
local old = 0
local fields = redis.pcall("HKEYS", KEYS[1])
if fields.err then return -1 end
for _, field in ipairs(fields) do
  local month = string.sub(field, -7)
  if month <= ARGV[1] then
    local kept = {}
    for day, count in string.gmatch(redis.call("HGET", KEYS[1], field), "(%d+):(%d+)") do
      if month < ARGV[1] or day < ARGV[2] then old = old + 1 else kept[#kept + 1] = day .. ":" .. count end
    end
    if ARGV[3] == "delete" then
      if #kept == 0 then redis.call("HDEL", KEYS[1], field) else redis.call("HSET", KEYS[1], field, table.concat(kept, " ")) end
    end
  end
end
return old`,
};
