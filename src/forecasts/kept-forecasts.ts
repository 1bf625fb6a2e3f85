/**
 * The newest forecast for each cell, in Redis: devices of every gateway get it, and those that come later. It says nothing of anyone,
 * and goes when its time is over.
 */
import type { Redis } from "ioredis";
import { DAY_MS, MINUTE_MS } from "../model/durations.ts";
import type { CellId } from "../model/ids.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import { cellsOver, isOpen } from "./cells.ts";
import type { Forecast } from "./forecast.ts";

const KEEP_FORECAST: RedisScript = {
  name: "consentryKeepForecast",
  lua: `--[[
  Keeps a forecast in place of an older one and says so on a channel, if services were told of its cell.
  KEYS[1] sorted set of the cells told   KEYS[2] the newest forecast for the cell
  ARGV[1] cell   ARGV[2] Unix ms of issue   ARGV[3] Unix ms until which it is of use   ARGV[4] what is kept of it
  ARGV[5] ms that it is kept at most   ARGV[6] ms that it may be issued ahead of now   ARGV[7] 1: the cell is open to all
  ARGV[8] channel
  Reply: what became of it
]]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local noted = tonumber(redis.call("ZSCORE", KEYS[1], ARGV[1]) or "0")
if ARGV[7] ~= "1" and noted <= now then return "unknown-cell" end
if tonumber(ARGV[2]) > now + ARGV[6] then return "invalid" end
local left = math.min(ARGV[3] - now, tonumber(ARGV[5]))
local before = string.match(redis.call("GET", KEYS[2]) or "", "^%d+")
if left <= 0 or (before and tonumber(before) >= tonumber(ARGV[2])) then return "stale" end
redis.call("SET", KEYS[2], ARGV[2] .. " " .. ARGV[4], "PX", math.floor(left))
redis.call("PUBLISH", ARGV[8], ARGV[1])
return "delivered"`,
};

/** Whatever it says of itself. */
const KEPT_MS = 2 * DAY_MS;
/** A clock further ahead would keep every later forecast out. */
const AHEAD_MS = 5 * MINUTE_MS;
const CELLS_PER_CALL = 200;
const KEPT = /^(\d+) (.+)$/;

/** What is kept for a cell. */
export interface Kept {
  readonly cell: CellId;
  readonly at: number;
  readonly rest: string;
}

export class KeptForecasts {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /** Throws REDIS_UNAVAILABLE. */
  async keep(cell: CellId, { at, until, rest }: Forecast): Promise<"delivered" | "unknown-cell" | "stale" | "invalid"> {
    const { forecastCells, forecastKept } = this.#keyspace;
    const keys = [forecastCells, this.#keyspace.forecast(cell)];
    const args = [cell, at, until, rest, KEPT_MS, AHEAD_MS, isOpen(cell) ? 1 : 0, forecastKept];
    const reply = await orRedisUnavailable(() => runScript(this.#redis, KEEP_FORECAST, keys, args));
    return reply === "delivered" || reply === "unknown-cell" || reply === "stale" ? reply : "invalid";
  }

  /** For each of these places the forecast that counts there: that of the finest cell over it. Throws REDIS_UNAVAILABLE. */
  async over(places: ReadonlySet<CellId>): Promise<ReadonlyMap<CellId, Kept>> {
    const cells = new Set([...places].flatMap(cellsOver));
    const kept = await this.#of([...cells]);
    return new Map(
      [...places].flatMap((place) => {
        const finest = cellsOver(place).find((cell) => kept.has(cell));
        const one = finest && kept.get(finest);
        return one === undefined ? [] : [[place, one] as const];
      }),
    );
  }

  async #of(cells: readonly CellId[]): Promise<Map<CellId, Kept>> {
    const kept = new Map<CellId, Kept>();
    for (let from = 0; from < cells.length; from += CELLS_PER_CALL) {
      const some = cells.slice(from, from + CELLS_PER_CALL);
      const texts = await orRedisUnavailable(() => this.#redis.mget(some.map((cell) => this.#keyspace.forecast(cell))));
      for (const [index, cell] of some.entries()) {
        const [, at, rest] = KEPT.exec(texts[index] ?? "") ?? [];
        if (at !== undefined && rest !== undefined) kept.set(cell, { cell, at: Number(at), rest });
      }
    }
    return kept;
  }
}
