/** The lines of the audit log and its seal, as they are in Redis: read, and not judged. */
import type { Redis } from "ioredis";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { execAll } from "../../platform/redis-values.ts";

export type LogKeyspace = Pick<Keyspace, "auditLines" | "auditSeal">;

export interface Bounds {
  /** "" for none. */
  readonly sealText: string;
  readonly count: number;
}

const PAGE = 500;

/** Every method throws REDIS_UNAVAILABLE. */
export class LogLines {
  readonly #redis: Redis;
  readonly #keyspace: LogKeyspace;

  constructor(redis: Redis, keyspace: LogKeyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /** Both of the same moment. */
  async bounds(): Promise<Bounds> {
    const both = this.#redis.multi().get(this.#keyspace.auditSeal).llen(this.#keyspace.auditLines);
    const [sealText, count] = (await orRedisUnavailable(() => execAll(both))) as [string | null, number];
    return { sealText: sealText ?? "", count };
  }

  /** At this place from the beginning; `null` when there is none. */
  at(place: number): Promise<string | null> {
    return orRedisUnavailable(() => this.#redis.lindex(this.#keyspace.auditLines, place));
  }

  async *between(start: number, end: number): AsyncGenerator<string> {
    for (let at = start; at < end; at += PAGE) {
      const last = Math.min(at + PAGE, end) - 1;
      yield* await orRedisUnavailable(() => this.#redis.lrange(this.#keyspace.auditLines, at, last));
    }
  }
}
