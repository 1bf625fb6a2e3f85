/**
 * How many people the last told window says of each cell, for the map of operators: the very counts that went to the store, with their
 * noise and rounded, and of them whole tens alone. What was not told is not here.
 */
import type { Redis } from "ioredis";
import type { CellCount } from "../model/sink.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";

const COUNTED_IN = 10;
/** The next window replaces it; where none is told, it is old after that many. */
const WINDOWS_KEPT = 2;
const PAGE = 1_000;

export class ToldPeople {
  readonly #redis: Redis;
  readonly #keyspace: Pick<Keyspace, "crowdToldPeople">;
  readonly #windowMs: number;

  constructor(redis: Redis, keyspace: Pick<Keyspace, "crowdToldPeople">, windowMs: number) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#windowMs = windowMs;
  }

  /** After the store has taken them, and in place of what the window before said. */
  async note(rows: readonly Pick<CellCount, "cell" | "devices">[]): Promise<void> {
    const { crowdToldPeople } = this.#keyspace;
    const fields = rows.map(({ cell, devices }) => [cell, Math.floor(devices / COUNTED_IN) * COUNTED_IN]);
    const change = this.#redis.multi().unlink(crowdToldPeople);
    for (let from = 0; from < fields.length; from += PAGE)
      change.hset(crowdToldPeople, ...fields.slice(from, from + PAGE).flat());
    await orRedisUnavailable(() => change.pexpire(crowdToldPeople, WINDOWS_KEPT * this.#windowMs).exec());
  }
}

/** By cell; 0 stands for fewer than ten. */
export async function toldPeople(
  redis: Redis,
  { crowdToldPeople }: Pick<Keyspace, "crowdToldPeople">,
): Promise<ReadonlyMap<string, number>> {
  const all = await orRedisUnavailable(() => redis.hgetall(crowdToldPeople));
  return new Map(Object.entries(all).map(([cell, people]) => [cell, Number(people)]));
}
