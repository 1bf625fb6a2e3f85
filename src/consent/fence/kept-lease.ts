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
  Turns a lease into a kept one together with those it concerns, or renews it; its end is by the clock of Redis.
  KEYS[1] sorted set of leases, score = Unix ms of the end   KEYS[2] set of those it concerns
  ARGV[1] lease id   ARGV[2] mark of a kept lease   ARGV[3] term in ms   ARGV[4] "keep", or "renew" what stands
  ARGV[5..] for keep: those it concerns
  Reply: 1, or 0 when there is no set to renew
]]
if ARGV[4] == "renew" and redis.call("EXISTS", KEYS[2]) == 0 then return 0 end
for from = 5, #ARGV, 1000 do
  redis.call("SADD", KEYS[2], unpack(ARGV, from, math.min(from + 999, #ARGV)))
end
-- It outlives the lease: without it the lease would concern everyone.
redis.call("PEXPIRE", KEYS[2], 2 * ARGV[3])
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
  /** Redis has the set of those it concerns. */
  #listed = false;
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

  /** One call, sent when the lease has little time left: each further one could come after its end. */
  async #renewed(): Promise<void> {
    if (this.#listed && (await this.#run("renew", [])) === 1) return;
    const { concerned } = this.#options;
    await this.#run("keep", [...concerned]);
    this.#listed = concerned.size > 0;
  }

  #run(what: "keep" | "renew", concerned: readonly (SubjectTag | DeviceKey)[]): Promise<unknown> {
    const { id } = this.#options;
    const names = [this.#keyspace.leases, this.#keyspace.keptLease(id)];
    return runScript(this.#redis, KEEP_LEASE, names, [id, KEPT_MARK, KEPT_TERM_MS, what, ...concerned]);
  }
}
