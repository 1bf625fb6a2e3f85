/**
 * The lease side of the fence. A worker holds a lease while it reads decisions and writes; a withdrawal waits for the
 * leases that existed before it. Batches that begin later already read the new decision. A lease whose write is in
 * doubt is kept beyond its term, and from then on delays only those it concerns.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Lease } from "../../model/lease.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { KEPT_MARK, KeptLease } from "./kept-lease.ts";

const ACQUIRE_LEASE: RedisScript = {
  name: "consentryAcquireLease",
  lua: `--[[
  Registers a lease that ends by the clock of Redis, and removes expired leases.
  KEYS[1] sorted set of leases, score = Unix ms of the end
  ARGV[1] lease id   ARGV[2] term in ms
  Reply: 1
]]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
redis.call("ZADD", KEYS[1], now + ARGV[2], ARGV[1])
return 1`,
};

const LIVE_LEASES: RedisScript = {
  name: "consentryLiveLeases",
  lua: `--[[
  Lists the leases that are neither released nor expired.
  KEYS[1] sorted set of leases
  Reply: ids, those kept beyond their term with a mark at the end
]]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. now, "+inf")`,
};

const ABORT_AT = 0.75;
const RENEWALS_PER_TERM = 3;
/** After one full term every older lease has ended; what remains is due to a clock that jumped. */
const DRAIN_MARGIN_MS = 500;
const FIRST_POLL_MS = 2;
const LAST_POLL_MS = 25;

export class Leases {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #leaseMs: number;

  constructor(redis: Redis, keyspace: Keyspace, options: { readonly leaseMs: number }) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#leaseMs = options.leaseMs;
  }

  /** Resolves once every withdrawal can see the lease; read decisions only after that. Throws `REDIS_UNAVAILABLE`. */
  async acquire(): Promise<Lease & { readonly id: string }> {
    const id = randomBytes(12).toString("base64url");
    const controller = new AbortController();
    // Counted from before the request, so the abort can only come too early by the clock of Redis, never too late.
    const overAt = performance.now() + this.#leaseMs * ABORT_AT;
    const timer = setTimeout(() => controller.abort(), this.#leaseMs * ABORT_AT);
    timer.unref();
    try {
      await orRedisUnavailable(() =>
        runScript(this.#redis, ACQUIRE_LEASE, [this.#keyspace.leases], [id, this.#leaseMs]),
      );
    } catch (error) {
      clearTimeout(timer);
      throw error;
    }
    let kept: KeptLease | undefined;
    return {
      id,
      signal: controller.signal,
      get over() {
        return controller.signal.aborted || performance.now() >= overAt;
      },
      release: async () => {
        clearTimeout(timer);
        if (kept !== undefined) await kept.release();
        else await this.#redis.zrem(this.#keyspace.leases, id).catch(() => 0);
      },
      keep: async (concerned) => {
        kept ??= new KeptLease(this.#redis, this.#keyspace, {
          id,
          concerned,
          renewMs: this.#leaseMs / RENEWALS_PER_TERM,
        });
        await kept.start();
      },
      abandon: () => kept?.abandon(),
    };
  }

  /**
   * Waits until every lease that exists now is released or expired, at most one term plus a margin. `drained: false`
   * means the limit was reached and nothing may be promised. Throws `REDIS_UNAVAILABLE`. With `concerned`, kept leases
   * that concern only others are not waited for.
   */
  async drain(concerned?: SubjectTag | DeviceKey): Promise<{ drained: boolean; waitedMs: number }> {
    const startedAt = performance.now();
    const waitedMs = () => Math.round(performance.now() - startedAt);
    let older = await this.#live(concerned);
    for (let pollMs = FIRST_POLL_MS; older.size > 0; pollMs = Math.min(pollMs * 2, LAST_POLL_MS)) {
      if (waitedMs() > this.#leaseMs + DRAIN_MARGIN_MS) return { drained: false, waitedMs: waitedMs() };
      await delay(pollMs);
      const live = await this.#live(concerned);
      older = new Set([...older].filter((id) => live.has(id)));
    }
    return { drained: true, waitedMs: waitedMs() };
  }

  async #live(concerned: SubjectTag | DeviceKey | undefined): Promise<Set<string>> {
    const members = await orRedisUnavailable(() => runScript(this.#redis, LIVE_LEASES, [this.#keyspace.leases], []));
    const ids = new Set<string>();
    for (const member of Array.isArray(members) ? members.map(String) : []) {
      const kept = member.endsWith(KEPT_MARK);
      const id = kept ? member.slice(0, -KEPT_MARK.length) : member;
      if (!kept || concerned === undefined || (await this.#concerns(id, concerned))) ids.add(id);
    }
    return ids;
  }

  /** A kept lease without a concerned set concerns everyone. */
  async #concerns(id: string, concerned: SubjectTag | DeviceKey): Promise<boolean> {
    const key = this.#keyspace.keptLease(id);
    const [member, known] = await orRedisUnavailable(() =>
      Promise.all([this.#redis.sismember(key, concerned), this.#redis.exists(key)]),
    );
    return member === 1 || known === 0;
  }
}
