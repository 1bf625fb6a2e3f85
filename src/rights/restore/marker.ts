/**
 * The marker in Redis that a restore is running. While it exists no gateway starts. Once restored values begin to
 * replace the old ones it stays until all have, even after a crash.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { GatewayError } from "../../model/errors.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";

const GOOD_FOR_MS = 15_000;
const RENEW_MS = 3_000;
/** How long a write may take that was allowed just before the end. */
const MARGIN_MS = 5_000;

const RAISE: RedisScript = {
  name: "consentryRaiseRestore",
  lua: `--[[
  Begins or continues a restore, unless a gateway is running or another restore is in progress.
  KEYS[1] sorted set of gateways   KEYS[2] running restore   KEYS[3] restores ended
  ARGV[1] id   ARGV[2] ms for which the marker is valid   ARGV[3] stage that begins, "" for none
  Reply: { "ok", stage before }, { "gateway-running" }, { "restore-running" }, or { "lost" } when another restore took over
]]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
if redis.call("ZCARD", KEYS[1]) > 0 then return { "gateway-running" } end
local text = redis.call("GET", KEYS[2])
local before = 0
if text then
  local other = cjson.decode(text)
  if other.id ~= ARGV[1] and other.untilMs > now then return { "restore-running" } end
  before = other.stage or (other.swapping and 1 or 0)
elseif ARGV[3] ~= "" then
  return { "lost" }
end
local stage = tonumber(ARGV[3]) or before
if before > 0 and stage == 0 then redis.call("INCR", KEYS[3]) end
local sign = { id = ARGV[1], untilMs = now + tonumber(ARGV[2]), stage = stage, swapping = stage > 0 }
redis.call("SET", KEYS[2], cjson.encode(sign))
return { "ok", tostring(before) }`,
};

const LOWER: RedisScript = {
  name: "consentryLowerRestore",
  lua: `--[[
  Ends a restore; the marker of one that was interrupted while values moved into place is kept.
  KEYS[1] running restore   KEYS[2] restores ended
  ARGV[1] id   ARGV[2] "1" when it is complete
  Reply: 1
]]
local text = redis.call("GET", KEYS[1])
if not text then return 1 end
local marker = cjson.decode(text)
if marker.id ~= ARGV[1] then return 1 end
if ARGV[2] == "1" then
  redis.call("DEL", KEYS[1])
  redis.call("INCR", KEYS[2])
elseif marker.swapping then
  marker.untilMs = 0
  redis.call("SET", KEYS[1], cjson.encode(marker))
else
  redis.call("DEL", KEYS[1])
end
return 1`,
};

/**
 * `removing`: the old values are deleted. `taking`: staged values are renamed into place, and nothing may be removed
 * any more.
 */
const STAGES = { staging: 0, removing: 1, taking: 2 } as const;
export type Stage = keyof typeof STAGES;

export class RestoreMarker {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #id = randomBytes(8).toString("hex");
  #timer: NodeJS.Timeout | undefined;
  #lost: GatewayError | undefined;
  /** By the clock of this process: after a pause another restore may have begun. */
  #goodUntil = Number.NEGATIVE_INFINITY;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /**
   * The stage at which an earlier restore was interrupted. Throws RESTORE_REFUSED: gateway-running, restore-running.
   */
  async raise(): Promise<Stage> {
    const before = await this.#raise("");
    this.#timer = setInterval(() => {
      this.#raise("").catch((error: unknown) => {
        // An outage passes, or ends the restore by itself; a takeover by another restore must end it here.
        if (error instanceof GatewayError && error.code === "RESTORE_REFUSED") this.#lost = error;
      });
    }, RENEW_MS);
    this.#timer.unref();
    return before;
  }

  /** From `removing` on nothing is served until `staging` begins again or `lower(true)` is called. */
  async begin(stage: Stage): Promise<void> {
    this.held();
    await this.#raise(STAGES[stage]);
  }

  /** Throws when the marker is no longer held by this restore. */
  held(): void {
    if (this.#lost !== undefined) throw this.#lost;
    if (performance.now() > this.#goodUntil) throw new GatewayError("RESTORE_REFUSED", "lost");
  }

  /** Whether the staged values still belong to this restore and may be removed. */
  get ours(): boolean {
    return this.#lost === undefined && performance.now() <= this.#goodUntil;
  }

  async lower(complete: boolean): Promise<void> {
    clearInterval(this.#timer);
    const names = [this.#keyspace.restoring, this.#keyspace.restores];
    await orRedisUnavailable(() => runScript(this.#redis, LOWER, names, [this.#id, complete ? "1" : "0"]));
  }

  async #raise(stage: number | ""): Promise<Stage> {
    const names = [this.#keyspace.gateways, this.#keyspace.restoring, this.#keyspace.restores];
    // Counted from before the request, so it can only end too early.
    const goodUntil = performance.now() + GOOD_FOR_MS - MARGIN_MS;
    const reply = await orRedisUnavailable(() => runScript(this.#redis, RAISE, names, [this.#id, GOOD_FOR_MS, stage]));
    const [state, before] = reply as string[];
    if (state !== "ok") throw new GatewayError("RESTORE_REFUSED", state);
    this.#goodUntil = goodUntil;
    return before === "2" ? "taking" : before === "1" ? "removing" : "staging";
  }
}
