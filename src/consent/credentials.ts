/**
 * Device tokens: 256 random bits, shown once, stored only as a keyed hash that is valid for one device. A stolen copy
 * of Redis does not allow a login.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Redis } from "ioredis";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";

const TOKEN = /^[A-Za-z0-9_-]{43}$/;
const TOKEN_BYTES = 32;
const HOLDER_BYTES = 8;

const ISSUE_TOKEN: RedisScript = {
  name: "consentryIssueToken",
  lua: `--[[
  Replaces the token of a device and ends the session that the old one opened. The token belongs to the subject the
  device is bound to or is being moved to; for an unbound device, to the subject it is bound to next.
  KEYS[1] credential hash
  ARGV[1] MAC of the new token   ARGV[2] channel for sessions to end   ARGV[3] device key
  Reply: number of the token
]]
-- A value of another type was not written by the gateway and allows no login.
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then redis.call("DEL", KEYS[1]) end
local number = (tonumber(redis.call("HGET", KEYS[1], "number") or "") or 0) + 1
redis.call("HSET", KEYS[1], "mac", ARGV[1], "number", number)
local owner = redis.call("HGET", KEYS[1], "tag") or redis.call("HGET", KEYS[1], "target")
if owner then redis.call("HSET", KEYS[1], "owner", owner) else redis.call("HDEL", KEYS[1], "owner") end
redis.call("PUBLISH", ARGV[2], ARGV[3])
return number`,
};

const HOLD_DEVICE: RedisScript = {
  name: "consentryHoldDevice",
  lua: `--[[
  Notes which gateway tells differences of a device's counters.
  KEYS[1] credential hash
  ARGV[1] the gateway
  Reply: 1 when noted, 0 without a credential
]]
if redis.call("HEXISTS", KEYS[1], "mac") == 0 then return 0 end
redis.call("HSET", KEYS[1], "holder", ARGV[1])
return 1`,
};

interface Verified {
  readonly subjectTag: SubjectTag | undefined;
  /** No other gateway has told a difference of its counters since this one did. */
  readonly holds: boolean;
}

export class Credentials {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #tokenKey: Buffer;
  /** Drawn for each run: after a restart nothing is remembered of any device. */
  readonly #holder = randomBytes(HOLDER_BYTES).toString("base64url");
  readonly #issued: (device: DeviceKey, mac: string, number: number) => Promise<void>;

  /**
   * `issued` records outside Redis how the new token is stored, and its number. The token is not handed out before
   * that.
   */
  constructor(
    redis: Redis,
    keyspace: Keyspace,
    tokenKey: Buffer,
    issued: (device: DeviceKey, mac: string, number: number) => Promise<void>,
  ) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#tokenKey = tokenKey;
    this.#issued = issued;
  }

  /** Creates a token of 43 base64url characters; the previous one stops working. Throws `REDIS_UNAVAILABLE`. */
  async issue(device: DeviceKey): Promise<string> {
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const mac = this.#mac(device, token).toString("base64url");
    const names = [this.#keyspace.credential(device)];
    const args = [mac, this.#keyspace.sessionEnd, device];
    const number = await orRedisUnavailable(() => runScript(this.#redis, ISSUE_TOKEN, names, args));
    await this.#issued(device, mac, Number(number));
    return token;
  }

  /**
   * `undefined` when the token is not the device's; otherwise the subject the device is bound to, if any, and whether this
   * gateway was the last to tell differences of its counters. Throws `REDIS_UNAVAILABLE`.
   */
  async verify(device: DeviceKey, token: string): Promise<Verified | undefined> {
    if (!TOKEN.test(token)) return undefined;
    const name = this.#keyspace.credential(device);
    const [mac, tag, holder] = await orRedisUnavailable(() => this.#redis.hmget(name, "mac", "tag", "holder"));
    const expected = Buffer.from(mac ?? "", "base64url");
    const actual = this.#mac(device, token);
    if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) return undefined;
    return { subjectTag: tag ? (tag as SubjectTag) : undefined, holds: holder === this.#holder };
  }

  /**
   * From now on this gateway tells the differences of the device's counters. Written with the first one and not at the login:
   * of a device without consent no trace is left. Throws `REDIS_UNAVAILABLE`.
   */
  async hold(device: DeviceKey): Promise<void> {
    const names = [this.#keyspace.credential(device)];
    await orRedisUnavailable(() => runScript(this.#redis, HOLD_DEVICE, names, [this.#holder]));
  }

  /** The device key is part of the input, so a MAC copied to another device's record is useless. */
  #mac(device: DeviceKey, token: string): Buffer {
    return createHmac("sha256", this.#tokenKey).update(`${device}\0${token}`).digest();
  }
}
