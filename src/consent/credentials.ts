/**
 * Device tokens: 256 random bits, shown once, kept only as a keyed hash that is good for one device.
 * A stolen copy of Redis lets nobody log in.
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
  Replaces the token of a device and ends the session that the old one opened. The token is of whom the device is
  bound to, or about to be; while it is nobody's, of whom it is bound to next.
  KEYS[1] credential hash
  ARGV[1] MAC of the new token   ARGV[2] channel for sessions to end   ARGV[3] device key
  Reply: number of the token
]]
-- What is no hash is none of ours, and lets nobody in.
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
  Notes which gateway a device is connected to, while the token it came with is its own.
  KEYS[1] credential hash
  ARGV[1] MAC of the token   ARGV[2] the gateway
  Reply: 1 when noted
]]
if redis.call("HGET", KEYS[1], "mac") ~= ARGV[1] then return 0 end
redis.call("HSET", KEYS[1], "holder", ARGV[2])
return 1`,
};

interface Verified {
  readonly subjectTag: SubjectTag | undefined;
  readonly moved: boolean;
}

export class Credentials {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #tokenKey: Buffer;
  /** Drawn for each run: after a restart nothing is remembered of any device. */
  readonly #holder = randomBytes(HOLDER_BYTES).toString("base64url");
  readonly #issued: (device: DeviceKey, mac: string, number: number) => Promise<void>;

  /** `issued` notes down, outside Redis, how the new token is kept, and its number; the token is not given out before. */
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

  /** A new token, 43 base64url characters; the one before stops working. Throws `REDIS_UNAVAILABLE`. */
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
   * `undefined` when the token is not the device's; otherwise the subject the device is bound to, if any, and whether its
   * last session was at another gateway. From now on this one holds it. Throws `REDIS_UNAVAILABLE`.
   */
  async verify(device: DeviceKey, token: string): Promise<Verified | undefined> {
    if (!TOKEN.test(token)) return undefined;
    const name = this.#keyspace.credential(device);
    const [mac, tag, holder] = await orRedisUnavailable(() => this.#redis.hmget(name, "mac", "tag", "holder"));
    const expected = Buffer.from(mac ?? "", "base64url");
    const actual = this.#mac(device, token);
    if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) return undefined;
    const moved = holder !== this.#holder;
    if (moved) await orRedisUnavailable(() => runScript(this.#redis, HOLD_DEVICE, [name], [mac ?? "", this.#holder]));
    return { subjectTag: tag ? (tag as SubjectTag) : undefined, moved };
  }

  /** The device key is part of the input: a MAC copied to another device's record opens nothing. */
  #mac(device: DeviceKey, token: string): Buffer {
    return createHmac("sha256", this.#tokenKey).update(`${device}\0${token}`).digest();
  }
}
