/**
 * Which subject a device belongs to. The device's credential and a subject's ledger lie in different slots of Redis, so
 * no transaction covers both. A move is made in steps that can be interrupted safely: claim (from here on no session
 * can be bound), clean up where the device was, bind it to the new subject, complete the claim. An interrupted claim
 * leaves the device unbound and remembers every place still to be cleaned up.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";

const CLAIM_DEVICE: RedisScript = {
  name: "consentryClaimDevice",
  lua: `--[[
  Opens a move of a device to a subject, or finds it already bound there. Another subject's token is revoked.
  KEYS[1] credential hash
  ARGV[1] subject tag   ARGV[2] claim id   ARGV[3] channel for sessions to end   ARGV[4] device key
  ARGV[5] "1" when the ledger of the subject names the device
  Reply: false when bound there already and no move is open; else the other tags it may still be listed under,
  comma-joined, and the number of the token revoked now or when this move was first opened; -1 for none
]]
-- A value of another type was not written by the gateway and allows no login.
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then redis.call("DEL", KEYS[1]) end
local bound = redis.call("HGET", KEYS[1], "tag")
if bound == ARGV[1] and ARGV[5] == "1" and redis.call("HEXISTS", KEYS[1], "claim") == 0 then return false end
local places = redis.call("HGET", KEYS[1], "from") or ""
local others, seen = {}, { [ARGV[1]] = true }
for tag in string.gmatch(places .. "," .. (bound or ""), "[^,]+") do
  if not seen[tag] then seen[tag] = true; others[#others + 1] = tag end
end
local found = table.concat(others, ",")
redis.call("HSET", KEYS[1], "claim", ARGV[2], "target", ARGV[1], "from", found .. "," .. ARGV[1])
redis.call("HDEL", KEYS[1], "tag")
local owner = redis.call("HGET", KEYS[1], "owner") or bound or ARGV[1]
local ended = owner ~= ARGV[1] and redis.call("HDEL", KEYS[1], "mac", "owner") > 0
local number = tonumber(redis.call("HGET", KEYS[1], "number") or "") or 0
if ended then
  number = number + 1
  -- Reported until the move is closed: an interrupted first attempt may not have recorded it.
  redis.call("HSET", KEYS[1], "number", number, "ended", number)
end
if bound or ended then redis.call("PUBLISH", ARGV[3], ARGV[4]) end
return { found, tonumber(redis.call("HGET", KEYS[1], "ended") or "") or -1 }`,
};

const SETTLE_DEVICE: RedisScript = {
  name: "consentrySettleDevice",
  lua: `--[[
  Closes a move: from here on sessions of the device belong to the subject.
  KEYS[1] credential hash
  ARGV[1] subject tag   ARGV[2] claim id   ARGV[3] channel for sessions to end   ARGV[4] device key
  Reply: 1 completed, by this or another claim for the same subject; 0 a later claim moved the device elsewhere
]]
local open = redis.call("HMGET", KEYS[1], "claim", "target", "tag")
if open[1] ~= ARGV[2] then
  if open[2] == ARGV[1] or open[3] == ARGV[1] then return 1 end
  return 0
end
redis.call("HSET", KEYS[1], "tag", ARGV[1])
if redis.call("HEXISTS", KEYS[1], "mac") == 1 then redis.call("HSET", KEYS[1], "owner", ARGV[1]) end
redis.call("HDEL", KEYS[1], "claim", "target", "from", "ended")
redis.call("PUBLISH", ARGV[3], ARGV[4])
return 1`,
};

const RELEASE_DEVICE: RedisScript = {
  name: "consentryReleaseDevice",
  lua: `--[[
  Unbinds a device from a subject and ends its session. Its token still belongs to that subject and is revoked when
  another subject takes the device. An open move to the subject is cancelled: its claim cannot be completed any more.
  KEYS[1] credential hash
  ARGV[1] subject tag   ARGV[2] channel for sessions to end   ARGV[3] device key
  Reply: 1 released, 0 it was not bound there
]]
if redis.call("HGET", KEYS[1], "target") == ARGV[1] then redis.call("HDEL", KEYS[1], "claim", "target") end
if redis.call("HGET", KEYS[1], "tag") ~= ARGV[1] then return 0 end
redis.call("HDEL", KEYS[1], "tag")
if redis.call("HEXISTS", KEYS[1], "mac") == 1 then redis.call("HSET", KEYS[1], "owner", ARGV[1]) end
redis.call("PUBLISH", ARGV[2], ARGV[3])
return 1`,
};

export interface Claim {
  readonly id: string;
  /** Subjects under which the device may still be listed; it must be unbound there first. */
  readonly others: readonly SubjectTag[];
  /** Number of an earlier owner's token that stopped working: the device needs a new one. */
  readonly tokenEnded: number | undefined;
}

export class DeviceClaims {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /**
   * `undefined` when the device is already bound to this subject and listed in its ledger (`known`). Throws
   * `REDIS_UNAVAILABLE`.
   */
  async claim(tag: SubjectTag, device: DeviceKey, known: boolean): Promise<Claim | undefined> {
    const id = randomBytes(12).toString("base64url");
    const args = [tag, id, this.#keyspace.sessionEnd, device, known ? "1" : "0"];
    const reply = await this.#run(CLAIM_DEVICE, device, args);
    if (!Array.isArray(reply)) return undefined;
    const [found, ended] = reply as [string, number];
    const others = found.split(",").filter((other) => other !== "") as SubjectTag[];
    return { id, others, tokenEnded: ended < 0 ? undefined : ended };
  }

  /** `false` when a later claim moved the device elsewhere: undo whatever was bound under this one. */
  async settle(tag: SubjectTag, device: DeviceKey, claim: Claim): Promise<boolean> {
    return (await this.#run(SETTLE_DEVICE, device, [tag, claim.id, this.#keyspace.sessionEnd, device])) === 1;
  }

  /** `false` when the device was not bound to this subject. */
  async release(tag: SubjectTag, device: DeviceKey): Promise<boolean> {
    return (await this.#run(RELEASE_DEVICE, device, [tag, this.#keyspace.sessionEnd, device])) === 1;
  }

  #run(script: RedisScript, device: DeviceKey, args: readonly string[]): Promise<unknown> {
    return orRedisUnavailable(() => runScript(this.#redis, script, [this.#keyspace.credential(device)], args));
  }
}
