/**
 * Which gateways work on this Redis, and under which keys. A restore runs only while none does, a gateway
 * starts only while no restore does, and a key is given up only when no gateway uses it any more. Those that work
 * here at the same time store things of one schema number. All times are those of Redis.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { GatewayError } from "../../model/errors.ts";
import { SCHEMA } from "../../model/schema.ts";
import type { Keyspace } from "../keyspace.ts";
import { orRedisUnavailable } from "../redis.ts";
import { type RedisScript, runScript } from "../redis-script.ts";
import { type GatewayReport, parseReport } from "./gateway-report.ts";
import type { KeyReport } from "./live-keys.ts";

/** A killed gateway counts as running for this long. */
const PRESENT_MS = 6_000;

const SWEEP = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
-- By what is left of the set: a restore takes those that have run out from it alone.
for _, id in ipairs(redis.call("HKEYS", KEYS[2])) do
  if not redis.call("ZSCORE", KEYS[1], id) then redis.call("HDEL", KEYS[2], id) end
end
`;

const BEAT: RedisScript = {
  name: "consentryGatewayBeat",
  lua: `--[[
  Keeps a gateway's word, unless a restore is in progress or has replaced what the gateway began with.
  KEYS[1] sorted set of gateways   KEYS[2] hash of reports   KEYS[3] restore in progress   KEYS[4] restores ended
  KEYS[5] number of what is stored here
  ARGV[1] gateway id   ARGV[2] ms its word is good for   ARGV[3] report   ARGV[4] restores ended when it began, "" at first
  ARGV[5] the word given last, "" at first   ARGV[6] number of what this gateway stores
  Reply: { "schema" | "restoring" | "replaced" | "ok", restores ended, word given now, "1" when the one given last does not stand
    any more, else "0", report of each live gateway... }
]]
local last = redis.call("ZSCORE", KEYS[1], ARGV[1])
${SWEEP}
local ended = redis.call("GET", KEYS[4]) or "0"
local number = redis.call("GET", KEYS[5])
if number and number ~= ARGV[6] then return { "schema", ended } end
if ARGV[4] == "" then
  for _, report in ipairs(redis.call("HVALS", KEYS[2])) do
    if not string.find(report, '"schema":' .. ARGV[6] .. "[,}]") then return { "schema", ended } end
  end
end
local marker = redis.call("GET", KEYS[3])
if marker then
  local restore = cjson.decode(marker)
  if restore.swapping or restore.untilMs > now then return { "restoring", ended } end
end
if ARGV[4] ~= "" and ARGV[4] ~= ended then return { "replaced", ended } end
local word = string.format("%.0f", now + ARGV[2])
redis.call("ZADD", KEYS[1], word, ARGV[1])
redis.call("HSET", KEYS[2], ARGV[1], ARGV[3])
-- A later expiry is this gateway's too: that reply was lost, or is still in transit.
local forgotten = ARGV[5] ~= "" and tonumber(last or 0) < tonumber(ARGV[5])
local reply = { "ok", ended, word, forgotten and "1" or "0" }
for _, report in ipairs(redis.call("HVALS", KEYS[2])) do reply[#reply + 1] = report end
return reply`,
};

const LIVE: RedisScript = {
  name: "consentryLiveGateways",
  lua: `--[[
  Lists the reports of the live gateways.
  KEYS[1] sorted set of gateways   KEYS[2] hash of reports
  Reply: report of each
]]
${SWEEP}
return redis.call("HVALS", KEYS[2])`,
};

export interface PresenceOptions {
  readonly report: () => GatewayReport;
  /** Reports of every live gateway, including this one; called with each heartbeat. */
  readonly reported: (reports: readonly KeyReport[]) => void;
  /** A restore replaced the data this gateway started with: it must not continue. */
  readonly replaced: (error: GatewayError) => void;
  /** Redis does not know this gateway's last report: it may have been emptied or rolled back. */
  readonly forgotten?: () => void;
}

export class Presence {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #options: PresenceOptions;
  readonly #id = randomBytes(8).toString("hex");
  #began = "";
  #word = "";

  constructor(redis: Redis, keyspace: Keyspace, options: PresenceOptions) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = options;
  }

  /** Throws RESTORE_UNFINISHED, SCHEMA_DIFFERS, REDIS_UNAVAILABLE. */
  async start(): Promise<void> {
    await this.beat();
  }

  /** Must be called well within every PRESENT_MS. */
  async beat(): Promise<void> {
    const { gateways, gatewayReports, restoring, restores, schema } = this.#keyspace;
    const names = [gateways, gatewayReports, restoring, restores, schema];
    const report = JSON.stringify({ schema: SCHEMA, ...this.#options.report() });
    const args = [this.#id, PRESENT_MS, report, this.#began, this.#word, SCHEMA];
    const reply = await orRedisUnavailable(() => runScript(this.#redis, BEAT, names, args));
    const [state, ended, word, forgotten, ...reports] = Array.isArray(reply) ? reply.map(String) : [];
    if (state !== "ok") {
      const error =
        state === "schema"
          ? new GatewayError("SCHEMA_DIFFERS", "a gateway of another version works on this Redis")
          : new GatewayError("RESTORE_UNFINISHED", state);
      if (this.#began === "") throw error;
      this.#options.replaced(error);
      return;
    }
    this.#began = ended ?? "";
    this.#word = word ?? "";
    if (forgotten === "1") this.#options.forgotten?.();
    this.#options.reported(reports.map(parseReport));
  }

  async stop(): Promise<void> {
    const { gateways, gatewayReports } = this.#keyspace;
    // An entry that cannot be removed expires by itself.
    await this.#redis
      .multi()
      .zrem(gateways, this.#id)
      .hdel(gatewayReports, this.#id)
      .exec()
      .catch(() => undefined);
  }
}

/** Reports of the gateways running on this Redis. Throws REDIS_UNAVAILABLE. */
export async function liveGateways(redis: Redis, keyspace: Keyspace): Promise<GatewayReport[]> {
  const names = [keyspace.gateways, keyspace.gatewayReports];
  const reply = await orRedisUnavailable(() => runScript(redis, LIVE, names, []));
  return Array.isArray(reply) ? reply.map((report) => parseReport(String(report))) : [];
}
