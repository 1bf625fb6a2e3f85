/**
 * A lease kept beyond its term. Its writes were sent but never answered, so their effect is unknown. It is renewed
 * until the outcome is known.
 */
import type { Redis } from "ioredis";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";

export interface KeptLeaseOptions {
  readonly id: string;
  /** Subjects and devices whose withdrawals and re-bindings must wait for this lease. */
  readonly concerned: ReadonlySet<SubjectTag | DeviceKey>;
  readonly renewMs: number;
}

/** Suffix of a kept lease's id in the sorted set; ids never contain this character. */
export const KEPT_MARK = "*";

/**
 * Long enough, after a killed process, for the supervisor to restart it and the queue to deliver its batches again,
 * even on a busy machine.
 */
export const KEPT_TERM_MS = 60_000;

const KEEP_LEASE: RedisScript = {
  name: "consentryKeepLease",
  lua: `--[[
  Turns a lease into a kept one, or renews it; its end is by the clock of Redis.
  KEYS[1] sorted set of leases, score = Unix ms of the end
  ARGV[1] lease id   ARGV[2] mark of a kept lease   ARGV[3] term in ms
  Reply: 1
]]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZADD", KEYS[1], now + ARGV[3], ARGV[1] .. ARGV[2])
redis.call("ZREM", KEYS[1], ARGV[1])
return 1`,
};

export class KeptLease {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #options: KeptLeaseOptions;
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> = Promise.resolve();

  constructor(redis: Redis, keyspace: Keyspace, options: KeptLeaseOptions) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = options;
  }

  /** Resolves after the first attempt; it is repeated until `release` or `abandon`. */
  async start(): Promise<void> {
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#renew(), this.#options.renewMs);
      this.#timer.unref();
      this.#renew();
    }
    await this.#renewing;
  }

  abandon(): void {
    clearInterval(this.#timer);
  }

  /** Never throws: a lease that cannot be released expires. */
  async release(): Promise<void> {
    this.abandon();
    const { id } = this.#options;
    // A renewal that arrives after the removal would recreate the lease.
    await this.#renewing;
    await this.#redis.zrem(this.#keyspace.leases, id, `${id}${KEPT_MARK}`).catch(() => 0);
    await this.#redis.del(this.#keyspace.keptLease(id)).catch(() => 0);
  }

  #renew(): void {
    this.#renewing = this.#renewing.then(() => this.#renewed()).catch(() => undefined);
  }

  async #renewed(): Promise<void> {
    const { id, concerned } = this.#options;
    const key = this.#keyspace.keptLease(id);
    // The concerned set is written first and outlives the lease: without it the lease would concern everyone.
    if ((await this.#redis.pexpire(key, 2 * KEPT_TERM_MS)) === 0 && concerned.size > 0) {
      await this.#redis.sadd(key, ...concerned);
      await this.#redis.pexpire(key, 2 * KEPT_TERM_MS);
    }
    await runScript(this.#redis, KEEP_LEASE, [this.#keyspace.leases], [id, KEPT_MARK, KEPT_TERM_MS]);
  }
}
