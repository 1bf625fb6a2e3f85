/**
 * Device tokens: 256 random bits, shown once, stored only as a keyed hash that is valid for one device. A stolen copy
 * of Redis does not allow a login.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Redis } from "ioredis";
import type { AliasMac, DeviceKey, SubjectTag } from "../model/ids.ts";
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
  ARGV[4] dialect, or ""   ARGV[5] MAC of the alias, or ""   ARGV[6] "1" for presence
  ARGV[7] tenure of a hub that is over, or ""
  Reply: number of the token; or, for a device behind a hub, that hub and its tenure
]]
-- A value of another type was not written by the gateway and allows no login.
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then redis.call("DEL", KEYS[1]) end
local place = redis.call("HMGET", KEYS[1], "hub", "hubTenure")
if place[1] and place[2] ~= ARGV[7] then return { place[1], place[2] or "" } end
local number = (tonumber(redis.call("HGET", KEYS[1], "number") or "") or 0) + 1
redis.call("HDEL", KEYS[1], "hub", "hubAlias", "hubTenure", "otherSubject", "dialect", "alias", "presence")
redis.call("HSET", KEYS[1], "mac", ARGV[1], "number", number)
if ARGV[4] ~= "" then redis.call("HSET", KEYS[1], "dialect", ARGV[4]) end
if ARGV[5] ~= "" then redis.call("HSET", KEYS[1], "alias", ARGV[5]) end
if ARGV[6] == "1" then redis.call("HSET", KEYS[1], "presence", "1") end
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
  Reply: 1 when noted, 0 for a device that has no token and is behind no hub
]]
if redis.call("HEXISTS", KEYS[1], "mac") == 0 and redis.call("HEXISTS", KEYS[1], "hub") == 0 then return 0 end
redis.call("HSET", KEYS[1], "holder", ARGV[1])
return 1`,
};

/** How a device speaks. */
export interface Speech {
  /** Absent: the contract of the gateway itself. */
  readonly dialect?: string | undefined;
  /** What the device calls itself on the wire; absent: its id. */
  readonly alias?: AliasMac | undefined;
  /** That it came and went is told of it. */
  readonly presence?: boolean | undefined;
}

export type Issued =
  | { readonly refused?: undefined; readonly token: string }
  /** Its hub speaks for it. */
  | { readonly refused: "behind-hub" };

export interface Verified {
  readonly subjectTag: SubjectTag | undefined;
  /** No other gateway has told a difference of its counters since this one did. */
  readonly holds: boolean;
  readonly dialect: string | undefined;
  readonly alias: AliasMac | undefined;
  readonly presence: boolean;
}

export class Credentials {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #tokenKey: Buffer;
  /** Drawn for each run: after a restart nothing is remembered of any device. */
  readonly holder = randomBytes(HOLDER_BYTES).toString("base64url");
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
  async issue(device: DeviceKey, speech: Speech = {}): Promise<Issued> {
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const mac = this.#mac(device, token).toString("base64url");
    const number = await this.#store(device, mac, speech);
    if (number === undefined) return { refused: "behind-hub" };
    await this.#issued(device, mac, number);
    return { token };
  }

  /** Number of the token; `undefined` when a hub speaks for the device. */
  async #store(device: DeviceKey, mac: string, { dialect, alias, presence }: Speech): Promise<number | undefined> {
    const names = [this.#keyspace.credential(device)];
    const args = [mac, this.#keyspace.sessionEnd, device, dialect ?? "", alias ?? "", presence ? "1" : "0"];
    const run = (over: string) => orRedisUnavailable(() => runScript(this.#redis, ISSUE_TOKEN, names, [...args, over]));
    const reply = await run("");
    if (!Array.isArray(reply)) return Number(reply);
    const [hub, tenure] = reply as [DeviceKey, string];
    const current = await orRedisUnavailable(() => this.#redis.hget(this.#keyspace.credential(hub), "tenure"));
    if (current === tenure) return undefined;
    // That hub changed hands or was unbound: it speaks for no one any more.
    const again = await run(tenure);
    return Array.isArray(again) ? undefined : Number(again);
  }

  /**
   * `undefined` when the token is not the device's; otherwise the subject the device is bound to, if any, whether this
   * gateway was the last to tell differences of its counters, and how the device speaks. Throws `REDIS_UNAVAILABLE`.
   */
  async verify(device: DeviceKey, token: string): Promise<Verified | undefined> {
    if (!TOKEN.test(token)) return undefined;
    const name = this.#keyspace.credential(device);
    const [mac, tag, holder, dialect, alias, presence] = await orRedisUnavailable(() =>
      this.#redis.hmget(name, "mac", "tag", "holder", "dialect", "alias", "presence"),
    );
    const expected = Buffer.from(mac ?? "", "base64url");
    const actual = this.#mac(device, token);
    if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) return undefined;
    return { ...speechOf(tag, dialect, alias, presence), holds: holder === this.holder };
  }

  /** How a device speaks, without its token; and whether a hub speaks for it. Throws `REDIS_UNAVAILABLE`. */
  async speech(device: DeviceKey): Promise<Omit<Verified, "holds"> & { readonly behindHub: boolean }> {
    const name = this.#keyspace.credential(device);
    const [tag, dialect, alias, presence, hub] = await orRedisUnavailable(() =>
      this.#redis.hmget(name, "tag", "dialect", "alias", "presence", "hub"),
    );
    return { ...speechOf(tag, dialect, alias, presence), behindHub: Boolean(hub) };
  }

  /**
   * From now on this gateway tells the differences of the device's counters. Written with the first one and not at the login:
   * of a device without consent no trace is left. Throws `REDIS_UNAVAILABLE`.
   */
  async hold(device: DeviceKey): Promise<void> {
    const names = [this.#keyspace.credential(device)];
    await orRedisUnavailable(() => runScript(this.#redis, HOLD_DEVICE, names, [this.holder]));
  }

  /** The device key is part of the input, so a MAC copied to another device's record is useless. */
  #mac(device: DeviceKey, token: string): Buffer {
    return createHmac("sha256", this.#tokenKey).update(`${device}\0${token}`).digest();
  }
}

type Field = string | null | undefined;

function speechOf(tag: Field, dialect: Field, alias: Field, presence: Field): Omit<Verified, "holds"> {
  return {
    subjectTag: tag ? (tag as SubjectTag) : undefined,
    dialect: dialect || undefined,
    alias: alias ? (alias as AliasMac) : undefined,
    presence: presence === "1",
  };
}
