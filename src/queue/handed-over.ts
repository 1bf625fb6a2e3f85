/**
 * Tells the gateway that admitted a batch that another one completed it, so that the counters of both balance. Only a
 * running gateway is told: its list exists as long as it reads it.
 */
import type { Redis } from "ioredis";
import type { Keyspace } from "../platform/keyspace.ts";
import { jobPlace } from "./job.ts";
import type { KnownJobs } from "./known-jobs.ts";

/** Lifetime of a list after its last read; a stopped gateway needs no news. */
const KEPT_MS = 60_000;

/** Keeps an empty list in existence. */
const HEAD = "";

export class HandedOver {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #known: KnownJobs;

  constructor(redis: Redis, keyspace: Keyspace, known: KnownJobs) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#known = known;
  }

  /**
   * A job of another gateway was completed here. Never rejects: without this news it stays in flight in the other's
   * counters.
   */
  async tell(id: string): Promise<void> {
    await this.#redis.rpushx(this.#keyspace.handedOver(jobPlace(id).origin), id).catch(() => 0);
  }

  /** Reads which of this gateway's jobs others have completed; call it about every second. */
  async take(): Promise<void> {
    const key = this.#keyspace.handedOver(this.#known.origin);
    const replies = await this.#redis.multi().lrange(key, 0, -1).del(key).rpush(key, HEAD).pexpire(key, KEPT_MS).exec();
    const ids = replies?.[0]?.[1];
    for (const id of Array.isArray(ids) ? ids.map(String) : []) if (id !== HEAD) this.#known.handOver(id);
  }

  /** This gateway needs no more news. */
  async stop(): Promise<void> {
    await this.#redis.del(this.#keyspace.handedOver(this.#known.origin)).catch(() => 0);
  }
}
