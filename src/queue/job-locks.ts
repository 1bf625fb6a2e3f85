/**
 * Whether batches are still this gateway's. BullMQ renews their locks as long as the process runs; one that stood still, or that was without
 * Redis for too long, has lost them, and another gateway may have taken the batches over. A pass that goes on asks here first.
 */
import type { Job } from "bullmq";
import { GatewayError } from "../model/errors.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import type { JobData } from "./job.ts";

type LockedJob = Pick<Job<JobData>, "id" | "processedOn" | "extendLock">;

interface Held {
  readonly job: LockedJob;
  readonly token: string;
  /** Since when the lock is known to be ours at the latest, by `performance.now()`. */
  lockedAt: number;
}

export class JobLocks {
  readonly #lockMs: number;
  readonly #held = new Map<string, Held>();

  constructor(lockMs: number) {
    this.#lockMs = lockMs;
  }

  /** Redis has handed it out, perhaps once more, under this token. */
  took(job: LockedJob, token: string): void {
    // When it was asked for; meanwhile the process may have stood still.
    const ageMs = Math.max(0, Date.now() - (job.processedOn ?? 0));
    this.#held.set(job.id ?? "", { job, token, lockedAt: performance.now() - ageMs });
  }

  gone(id: string): void {
    this.#held.delete(id);
  }

  /**
   * Resolves when all of them are ours for half of a lock's time from now, which is longer than a lease. Asks Redis only when that is
   * not sure. Throws BATCH_LOST, REDIS_UNAVAILABLE.
   */
  async keep(ids: readonly string[]): Promise<void> {
    const now = performance.now();
    const unsure = ids.filter((id) => now - (this.#held.get(id)?.lockedAt ?? 0) > this.#lockMs / 2);
    await Promise.all(unsure.map((id) => this.#renew(id)));
  }

  async #renew(id: string): Promise<void> {
    const held = this.#held.get(id);
    const now = performance.now();
    if (held === undefined || (await orRedisUnavailable(() => held.job.extendLock(held.token, this.#lockMs))) !== 1)
      throw new GatewayError("BATCH_LOST", "its lock is over");
    held.lockedAt = now;
  }
}
