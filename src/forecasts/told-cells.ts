/** Of which cells weather services were told lately: these they may forecast. In Redis, for all gateways; no cell in it is of one device. */
import type { Redis } from "ioredis";
import { DAY_MS } from "../model/durations.ts";
import type { CellId } from "../model/ids.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";

const NOTE_CELLS: RedisScript = {
  name: "consentryNoteForecastCells",
  lua: `--[[
  Notes of which cells services are told, and forgets those of long ago; beyond the most those that would be forgotten next.
  KEYS[1] sorted set of cells
  ARGV[1] ms for which they are noted   ARGV[2] most cells   ARGV[3] how many come   then: cells
  Reply: 1
]]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 4, 3 + ARGV[3] do redis.call("ZADD", KEYS[1], now + ARGV[1], ARGV[at]) end
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
redis.call("ZREMRANGEBYRANK", KEYS[1], 0, -1 - ARGV[2])
redis.call("PEXPIRE", KEYS[1], ARGV[1])
return 1`,
};

/** A small fleet is told of a cell now and then only. */
const NOTED_MS = 7 * DAY_MS;
/** With as many forecasts about 40 MiB. */
const MOST_CELLS = 10_000;
const CELLS_PER_CALL = 500;

export class ToldCells {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /** Before they are told, so that no answer comes too early. Throws REDIS_UNAVAILABLE. */
  async note(cells: readonly CellId[]): Promise<void> {
    for (let from = 0; from < cells.length; from += CELLS_PER_CALL) {
      const some = cells.slice(from, from + CELLS_PER_CALL);
      const args = [NOTED_MS, MOST_CELLS, some.length, ...some];
      await orRedisUnavailable(() => runScript(this.#redis, NOTE_CELLS, [this.#keyspace.forecastCells], args));
    }
  }
}
