/**
 * Tells the gateway that admitted a batch that another one has settled it, so that the books of each balance.
 * Only a gateway that runs is told: its list is there as long as it asks for it.
 */
import type { Redis } from "ioredis";
import type { Keyspace } from "../platform/keyspace.ts";
import { jobPlace } from "./job.ts";
import type { KnownJobs } from "./known-jobs.ts";

/** A list outlives its gateway by this; it need not be told of anything then. */
const KEPT_MS = 60_000;

/** Keeps an empty list in being. */
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

  /** A job of another gateway was settled here. Never rejects: untold, it stays in flight in the books of the other. */
  async tell(id: string): Promise<void> {
    await this.#redis.rpushx(this.#keyspace.handedOver(jobPlace(id).origin), id).catch(() => 0);
  }

  /** Takes up what others have settled of this gateway's; to be called every second or so. */
  async take(): Promise<void> {
    const key = this.#keyspace.handedOver(this.#known.origin);
    const replies = await this.#redis.multi().lrange(key, 0, -1).del(key).rpush(key, HEAD).pexpire(key, KEPT_MS).exec();
    const ids = replies?.[0]?.[1];
    for (const id of Array.isArray(ids) ? ids.map(String) : []) if (id !== HEAD) this.#known.handOver(id);
  }

  /** Nobody need tell this gateway anything any more. */
  async stop(): Promise<void> {
    await this.#redis.del(this.#keyspace.handedOver(this.#known.origin)).catch(() => 0);
  }
}
