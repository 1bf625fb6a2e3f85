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
import { END_RECORDED, END_REGISTRATIONS } from "../registration.ts";
import { tidyRegistrations } from "../tidy-registrations.ts";

const CLAIM_DEVICE: RedisScript = {
  name: "consentryClaimDevice",
  lua: `--[[
  Opens a move of a device to a subject, or finds it already bound there. Another subject's token is revoked.
  KEYS[1] credential hash
  ARGV[1] subject tag   ARGV[2] claim id   ARGV[3] channel for sessions to end   ARGV[4] device key
  ARGV[5] "1" when the ledger of the subject names the device   ARGV[6] channel for changes of children
  Reply: false when bound there already and no move is open; else the other tags it may still be listed under,
  comma-joined; the number of the end of a token or registration, now or when this move was first opened, -1 for none; and
  the MAC of the token that stands
]]${END_REGISTRATIONS}
-- A value of another type was not written by the gateway and allows no login.
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then redis.call("DEL", KEYS[1]) end
local bound = redis.call("HGET", KEYS[1], "tag")
if bound == ARGV[1] and ARGV[5] == "1" and redis.call("HEXISTS", KEYS[1], "claim") == 0 then return false end
local former = bound or redis.call("HGET", KEYS[1], "target")
local places = redis.call("HGET", KEYS[1], "from") or ""
local others, seen = {}, { [ARGV[1]] = true }
for tag in string.gmatch(places .. "," .. (bound or ""), "[^,]+") do
  if not seen[tag] then seen[tag] = true; others[#others + 1] = tag end
end
local found = table.concat(others, ",")
redis.call("HSET", KEYS[1], "claim", ARGV[2], "target", ARGV[1], "from", found .. "," .. ARGV[1])
redis.call("HDEL", KEYS[1], "tag")
local owner = redis.call("HGET", KEYS[1], "owner") or bound or ARGV[1]
-- How it speaks, its aliases and its children are the earlier owner's word.
local ended = owner ~= ARGV[1] and redis.call("HDEL", KEYS[1], "mac", "owner", "dialect", "alias", "presence") > 0
-- Reported until the move is closed: an interrupted first attempt may not have recorded it.
if ended then noteEnd() end
local hub = redis.call("HGET", KEYS[1], "hub")
if former ~= ARGV[1] then endRegistrations(ARGV[6]) elseif hub then redis.call("PUBLISH", ARGV[6], hub) end
if bound or ended then redis.call("PUBLISH", ARGV[3], ARGV[4]) end
local number, mac = unrecorded()
return { found, number, mac }`,
};

const SETTLE_DEVICE: RedisScript = {
  name: "consentrySettleDevice",
  lua: `--[[
  Closes a move: from here on sessions of the device belong to the subject.
  KEYS[1] credential hash
  ARGV[1] subject tag   ARGV[2] claim id   ARGV[3] channel for sessions to end   ARGV[4] device key
  ARGV[5] channel for changes of children
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
local hub = redis.call("HGET", KEYS[1], "hub")
if hub then redis.call("PUBLISH", ARGV[5], hub) end
return 1`,
};

const RELEASE_DEVICE: RedisScript = {
  name: "consentryReleaseDevice",
  lua: `--[[
  Unbinds a device from a subject and ends its session, and every registration as a hub or behind one. Its token still
  belongs to that subject and is revoked when another subject takes the device. An open move to the subject is cancelled:
  its claim cannot be completed any more.
  KEYS[1] credential hash
  ARGV[1] subject tag   ARGV[2] channel for sessions to end   ARGV[3] device key   ARGV[4] channel for changes of children
  Reply: the number of an end that is not recorded yet, -1 for none, and the MAC of the token that stands
]]${END_REGISTRATIONS}
if redis.call("HGET", KEYS[1], "target") == ARGV[1] then
  redis.call("HDEL", KEYS[1], "claim", "target")
  endRegistrations(ARGV[4])
end
if redis.call("HGET", KEYS[1], "tag") == ARGV[1] then
  redis.call("HDEL", KEYS[1], "tag")
  endRegistrations(ARGV[4])
  if redis.call("HEXISTS", KEYS[1], "mac") == 1 then redis.call("HSET", KEYS[1], "owner", ARGV[1]) end
  redis.call("PUBLISH", ARGV[2], ARGV[3])
end
local ended, mac = unrecorded()
return { ended, mac }`,
};

/** Of a token or of a registration; to be recorded outside Redis, so that no restore takes it back. */
export interface CredentialEnd {
  readonly number: number;
  /** MAC of the token that stands nevertheless. */
  readonly standing: string | undefined;
}

export interface Claim {
  readonly id: string;
  /** Subjects under which the device may still be listed; it must be unbound there first. */
  readonly others: readonly SubjectTag[];
  /** An earlier owner's token stopped working, so that the device needs a new one; or registrations ended. */
  readonly ended: CredentialEnd | undefined;
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
    const { sessionEnd, childrenChanged } = this.#keyspace;
    const reply = await this.#run(CLAIM_DEVICE, device, [
      tag,
      id,
      sessionEnd,
      device,
      known ? "1" : "0",
      childrenChanged,
    ]);
    if (!Array.isArray(reply)) return undefined;
    const [found, number, mac] = reply as [string, number, string];
    const others = found.split(",").filter((other) => other !== "") as SubjectTag[];
    return { id, others, ended: endOf(number, mac) };
  }

  /** `false` when a later claim moved the device elsewhere: undo whatever was bound under this one. */
  async settle(tag: SubjectTag, device: DeviceKey, claim: Claim): Promise<boolean> {
    const { sessionEnd, childrenChanged } = this.#keyspace;
    return (await this.#run(SETTLE_DEVICE, device, [tag, claim.id, sessionEnd, device, childrenChanged])) === 1;
  }

  /** What is still to be recorded, if anything: of this or of an interrupted earlier call. */
  async release(tag: SubjectTag, device: DeviceKey): Promise<CredentialEnd | undefined> {
    const { sessionEnd, childrenChanged } = this.#keyspace;
    const [number, mac] = (await this.#run(RELEASE_DEVICE, device, [tag, sessionEnd, device, childrenChanged])) as [
      number,
      string,
    ];
    return endOf(number, mac);
  }

  /** Once the end is recorded: removes what is left of it elsewhere. */
  async tidy(device: DeviceKey, recorded: CredentialEnd | undefined): Promise<void> {
    await tidyRegistrations(this.#redis, this.#keyspace, device);
    if (recorded !== undefined) await this.#run(END_RECORDED, device, [String(recorded.number)]);
  }

  #run(script: RedisScript, device: DeviceKey, args: readonly string[]): Promise<unknown> {
    return orRedisUnavailable(() => runScript(this.#redis, script, [this.#keyspace.credential(device)], args));
  }
}

function endOf(number: number, mac: string): CredentialEnd | undefined {
  return number < 0 ? undefined : { number, standing: mac === "" ? undefined : mac };
}
