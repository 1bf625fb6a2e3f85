/**
 * What a device's credential says of hubs. A child: `hub`, `hubAlias`, `hubTenure` and `otherSubject`. A hub:
 * `tenure`, a random mark that every registration under it repeats. When the hub changes hands the mark goes, and with it,
 * in one step, the word of all its children. `left` names the hubs whose list of children is still to be cleaned up.
 */
import type { RedisScript } from "../platform/redis-script.ts";

/**
 * For scripts whose KEYS[1] is a credential hash. Every end gets the next number, so that no restore brings it back; `ended`
 * repeats that number until it is recorded outside Redis.
 */
export const END_REGISTRATIONS = `
local function noteEnd()
  local number = (tonumber(redis.call("HGET", KEYS[1], "number") or "") or 0) + 1
  redis.call("HSET", KEYS[1], "number", number, "ended", number)
end
-- Ends the place of a device behind a hub, and the tenure under which its own children stand. Reply: whether it had either.
local function endRegistrations(channel)
  local place = redis.call("HMGET", KEYS[1], "hub", "hubAlias", "left")
  if place[1] then
    local here = place[1] .. "/" .. (place[2] or "")
    redis.call("HSET", KEYS[1], "left", place[3] and place[3] .. "," .. here or here)
    redis.call("PUBLISH", channel, place[1])
  end
  local gone = redis.call("HDEL", KEYS[1], "hub", "hubAlias", "hubTenure", "otherSubject", "tenure")
  if gone > 0 then noteEnd() end
  return gone > 0
end
-- The end that is not recorded yet, -1 for none, and the token that stands.
local function unrecorded()
  local found = redis.call("HMGET", KEYS[1], "ended", "mac")
  return tonumber(found[1] or "") or -1, found[2] or ""
end`;

export const OPEN_HUB: RedisScript = {
  name: "consentryOpenHub",
  lua: `--[[
  Makes a device ready to have children.
  KEYS[1] credential hash of the hub
  ARGV[1] tenure for a hub without one   ARGV[2] tenure of another hub that is over, or ""
  Reply: "open", its subject tag, its tenure; or "behind-hub", that hub, its tenure; or "not-bound"
]]
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then return { "not-bound" } end
local found = redis.call("HMGET", KEYS[1], "tag", "hub", "hubTenure", "tenure")
if found[2] and found[3] ~= ARGV[2] then return { "behind-hub", found[2], found[3] or "" } end
if not found[1] then return { "not-bound" } end
redis.call("HDEL", KEYS[1], "hub", "hubAlias", "hubTenure", "otherSubject")
redis.call("HSETNX", KEYS[1], "tenure", ARGV[1])
return { "open", found[1], redis.call("HGET", KEYS[1], "tenure") }`,
};

export const CLOSE_HUB: RedisScript = {
  name: "consentryCloseHub",
  lua: `--[[
  A hub that has no children is none.
  KEYS[1] credential hash of the hub
  ARGV[1] tenure
  Reply: 1 when it was this tenure, otherwise 0
]]
if redis.call("HGET", KEYS[1], "tenure") ~= ARGV[1] then return 0 end
return redis.call("HDEL", KEYS[1], "tenure")`,
};

export const ADOPT: RedisScript = {
  name: "consentryAdopt",
  lua: `--[[
  Registers a device under a hub. A token of its own ends: a device has one way to speak.
  KEYS[1] credential hash of the child
  ARGV[1] hub   ARGV[2] alias MAC   ARGV[3] tenure of the hub   ARGV[4] subject tag of the hub
  ARGV[5] "1" when it may be another subject's   ARGV[6] tenure of another hub that is over, or ""
  ARGV[7] "1" to ask only   ARGV[8] channel for sessions to end   ARGV[9] device key
  Reply: outcome; the number of an end that is not recorded yet, -1 for none; for "under-another-hub" that hub and its
  tenure, for "is-hub" its own
]]${END_REGISTRATIONS}
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then return { "not-bound", -1 } end
local found = redis.call("HMGET", KEYS[1], "tag", "hub", "hubAlias", "hubTenure", "tenure", "otherSubject")
if not found[1] then return { "not-bound", -1 } end
if found[5] then return { "is-hub", -1, ARGV[9], found[5] } end
if found[2] and found[2] ~= ARGV[1] and found[4] ~= ARGV[6] then
  return { "under-another-hub", -1, found[2], found[4] or "" }
end
local other = found[1] ~= ARGV[4]
if other and ARGV[5] ~= "1" then return { "other-subject", -1 } end
if found[2] == ARGV[1] and found[3] == ARGV[2] and found[4] == ARGV[3] and (found[6] == "1") == other then
  local ended = unrecorded()
  return { "already", ended }
end
if ARGV[7] == "1" then return { "registered", -1 } end
local token = redis.call("HDEL", KEYS[1], "mac", "owner", "dialect", "alias", "presence") > 0
if token then redis.call("PUBLISH", ARGV[8], ARGV[9]) end
if token or found[2] then noteEnd() end
redis.call("HSET", KEYS[1], "hub", ARGV[1], "hubAlias", ARGV[2], "hubTenure", ARGV[3])
if other then redis.call("HSET", KEYS[1], "otherSubject", "1") else redis.call("HDEL", KEYS[1], "otherSubject") end
local ended = unrecorded()
return { "registered", ended }`,
};

export const DISOWN: RedisScript = {
  name: "consentryDisown",
  lua: `--[[
  Ends the registration of a device under one hub.
  KEYS[1] credential hash of the child
  ARGV[1] hub   ARGV[2] channel for changes of children   ARGV[3] "", or a tenure that is over: then it spoke no more
  Reply: whether it was registered so; the number of an end that is not recorded yet, -1 for none
]]${END_REGISTRATIONS}
local found = redis.call("HMGET", KEYS[1], "hub", "hubTenure")
local ours = found[1] == ARGV[1] and (ARGV[3] == "" or found[2] == ARGV[3])
if ours then
  redis.call("HDEL", KEYS[1], "hub", "hubAlias", "hubTenure", "otherSubject")
  if ARGV[3] == "" then
    noteEnd()
    redis.call("PUBLISH", ARGV[2], ARGV[1])
  end
end
local ended = unrecorded()
return { ours and 1 or 0, ended }`,
};

export const FORGET_REGISTRATIONS: RedisScript = {
  name: "consentryForgetRegistrations",
  lua: `--[[
  Ends every registration of a device, as a child and as a hub, while it is a subject's.
  KEYS[1] credential hash
  ARGV[1] subject tag   ARGV[2] channel for changes of children   ARGV[3] channel for sessions to end   ARGV[4] device key
  Reply: the number of an end that is not recorded yet, -1 for none, and the MAC of the token that stands
]]${END_REGISTRATIONS}
local found = redis.call("HMGET", KEYS[1], "tag", "target", "tenure")
if (found[1] or found[2]) == ARGV[1] and endRegistrations(ARGV[2]) and found[3] then
  redis.call("PUBLISH", ARGV[3], ARGV[4])
end
local ended, mac = unrecorded()
return { ended, mac }`,
};

export const END_RECORDED: RedisScript = {
  name: "consentryEndRecorded",
  lua: `--[[
  An end is recorded outside Redis.
  KEYS[1] credential hash
  ARGV[1] its number
]]
if redis.call("HGET", KEYS[1], "ended") == ARGV[1] then redis.call("HDEL", KEYS[1], "ended") end
return 1`,
};

export const LEFT_CLEAN: RedisScript = {
  name: "consentryLeftClean",
  lua: `--[[
  The lists of the hubs that a device left are clean.
  KEYS[1] credential hash
  ARGV[1] what it said
]]
if redis.call("HGET", KEYS[1], "left") == ARGV[1] then redis.call("HDEL", KEYS[1], "left") end
return 1`,
};
