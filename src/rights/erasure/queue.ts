/**
 * Schedules erasures in a BullMQ queue of their own: one job each, containing only the erasure's id, taken over by
 * another process after a crash, and retried forever.
 */

import { DelayedError, type Job, type Queue, type Worker } from "bullmq";
import { GatewayError } from "../../model/errors.ts";
import type { Log } from "../../model/log.ts";
import { type BullConnections, closeBoth, openQueue, openWorker } from "../../platform/bull-queue.ts";
import { faultCode } from "../../platform/fault-code.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";

export interface ErasureQueuePorts {
  /** Milliseconds until the next call; `undefined` when the erasure is complete. */
  advance(id: string, stop: AbortSignal): Promise<number | undefined>;
  readonly log: Log;
}

const JOB_NAME = "erasure";
const CONCURRENCY = 8;
/** Another process takes over a killed process's erasures after this time. */
const LOCK_MS = 3_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 30_000;
const FOR_EVER = 1_000_000_000;
/** No step asks for a longer wait; a longer one was set by a clock that was ahead. */
const LONGEST_WAIT_MS = 15 * 60_000;
/** BullMQ stores the time of a delayed job shifted by twelve bits, with a counter in the low bits. */
const SCORES_PER_MS = 0x1000;

export class ErasureQueue {
  readonly #connections: BullConnections;
  readonly #keyspace: Keyspace;
  readonly #ports: ErasureQueuePorts;
  readonly #stop = new AbortController();
  readonly #failures = new Map<string, number>();
  #queue: Queue | undefined;
  #worker: Worker | undefined;

  constructor(connections: BullConnections, keyspace: Keyspace, ports: ErasureQueuePorts) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#ports = ports;
  }

  async start(): Promise<void> {
    const queue = { name: this.#keyspace.erasureQueueName, prefix: this.#keyspace.erasureQueuePrefix };
    this.#queue = await openQueue(this.#connections, queue);
    this.#worker = await openWorker(
      this.#connections,
      queue,
      (job, token) => this.#turn(job, token),
      {
        concurrency: CONCURRENCY,
        maxStalledCount: FOR_EVER,
        lockDuration: LOCK_MS,
        stalledInterval: LOCK_MS / 2,
        removeOnComplete: { count: 0 },
      },
      () => this.#ports.log.error("worker loop ended", { stage: "rights" }),
    );
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await closeBoth(this.#worker, this.#queue);
  }

  /** Harmless for an erasure that already has a job. Throws REDIS_UNAVAILABLE. */
  async add(id: string): Promise<void> {
    const queue = this.#queue;
    if (queue === undefined) throw new GatewayError("REDIS_UNAVAILABLE", "erasures are not started");
    const options = { jobId: id, removeOnComplete: true, attempts: FOR_EVER, stackTraceLimit: 0 };
    const backoff = { type: "fixed", delay: 1_000 };
    await orRedisUnavailable(() => queue.add(JOB_NAME, {}, { ...options, backoff }));
    const delayed = `${this.#keyspace.erasureQueuePrefix}:${this.#keyspace.erasureQueueName}:delayed`;
    const score = await orRedisUnavailable(() => this.#connections.producer.zscore(delayed, id));
    if (score !== null && Number(score) / SCORES_PER_MS > Date.now() + LONGEST_WAIT_MS) await this.wake(id);
  }

  /** Best effort: an erasure that is not woken continues when its wait ends. */
  async wake(id: string): Promise<void> {
    try {
      const job = await this.#queue?.getJob(id);
      if (job !== undefined && (await job.isDelayed())) await job.promote();
    } catch {
      // It continued meanwhile, or Redis is unavailable.
    }
  }

  async #turn(job: Job, token: string | undefined): Promise<void> {
    const id = job.id ?? "";
    const waitMs = await this.#advance(id);
    if (waitMs === undefined) return;
    await job.moveToDelayed(Date.now() + Math.ceil(waitMs), token);
    throw new DelayedError();
  }

  async #advance(id: string): Promise<number | undefined> {
    try {
      const waitMs = await this.#ports.advance(id, this.#stop.signal);
      this.#failures.delete(id);
      return waitMs;
    } catch (error) {
      if (this.#stop.signal.aborted) return FIRST_RETRY_MS;
      const failures = (this.#failures.get(id) ?? 0) + 1;
      this.#failures.set(id, failures);
      const code = faultCode(error);
      this.#ports.log.warn("erasure waiting, will continue", { code, attempt: failures, stage: "erasure" });
      return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
    }
  }
}
