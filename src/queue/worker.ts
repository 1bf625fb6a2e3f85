/**
 * Takes sealed batches from the queue and passes them, opened, to the pipeline. A batch leaves the queue only when
 * every message in it has its outcome, exactly once however often the queue delivers it; while a sink is down the batch
 * is held, not failed. A batch that repeatedly crashes the process or fails is halved until the culprit is isolated.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Job, WaitingError } from "bullmq";
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import type { DeadLetterReason } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import { SCHEMA } from "../model/schema.ts";
import type { OfBatches } from "../model/watch.ts";
import { boundedCache } from "../platform/bounded-cache.ts";
import { faultCode } from "../platform/fault-code.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { decodeBatch } from "./batch.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { type Envelope, sealedSchema } from "./envelope.ts";
import { Gather } from "./gather.ts";
import type { HandedOver } from "./handed-over.ts";
import { BATCH_SEAL, type JobData, type JobPlace, jobPlace, jobSize } from "./job.ts";
import { JobLocks } from "./job-locks.ts";
import type { KnownJobs } from "./known-jobs.ts";
import { PacedWorker } from "./paced-worker.ts";
import type { Producer } from "./producer.ts";
import { failuresOf, isSuspect, watched } from "./suspicion.ts";
import { Watchdog, type WatchdogPorts } from "./watchdog.ts";

export interface WorkerOptions {
  /** Concurrent passes through the pipeline. */
  readonly passesInFlight: number;
  readonly maxMessagesPerPass: number;
  /** Between two passes while few batches wait. */
  readonly restMs: number;
  /** A batch that failed, or crashed the process, more often than this is split. */
  readonly maxAttemptsBeforeIsolation: number;
  /** With work waiting and no completion for this long, the process exits so that the supervisor restarts it. */
  readonly watchdogMs: number;
  readonly stopDeadlineMs: number;
  readonly lockMs: number;
}

export interface WorkerParts {
  readonly envelope: Pick<Envelope, "open">;
  readonly producer: Pick<Producer, "split">;
  readonly deadLetters: Pick<DeadLetters, "addBatch">;
  readonly known: Pick<KnownJobs, "settle" | "isOwn">;
  readonly handedOver: Pick<HandedOver, "tell">;
}

export interface WorkerPorts extends Omit<WatchdogPorts, "heldJobs"> {
  /**
   * Brings every message of some batches to its outcome, or rejects when `stop` fires first. Every attempt goes through
   * `watch`, and asks `keep` before anything of it leaves.
   */
  readonly process: (
    messages: readonly RawMessage[],
    stop: AbortSignal,
    ofBatches: OfBatches,
    places: readonly JobPlace[],
  ) => Promise<void>;
  /**
   * Moves messages to the dead letters without processing them, as far as consent still covers them. Rejects as
   * `process` does.
   */
  readonly setAside: (reason: DeadLetterReason, messages: readonly RawMessage[], stop: AbortSignal) => Promise<void>;
  readonly deadLettered: (reason: DeadLetterReason, count: number) => void;
  /** What an older version has sealed, as it would be taken today. An upgrade leaves only what it could not open. */
  readonly asTakenToday: (messages: readonly RawMessage[]) => readonly RawMessage[];
  readonly log: Log;
}

/** Batches held open at a time, so that small ones can share a pass. */
const BATCHES_HELD = 32;

/** Completed batches that the queue may not have removed yet: about as many as are held. */
const SETTLED_REMEMBERED = 1_000;

const RETRY_MS = 250;

/** Abandoned jobs are retried without limit; their messages were acknowledged. */
const FOR_EVER = Number.MAX_SAFE_INTEGER;

export class BatchWorker {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #options: WorkerOptions;
  readonly #parts: WorkerParts;
  readonly #ports: WorkerPorts;
  readonly #stop = new AbortController();
  readonly #gather: Gather;
  /** Batches in progress, by id. Redis may lose that state, and then delivers them again. */
  readonly #atWork = new Map<string, Promise<void>>();
  readonly #locks: JobLocks;
  readonly #settled = boundedCache<string, true>(SETTLED_REMEMBERED);
  #waiting = 0;
  #worker: PacedWorker<JobData> | undefined;
  readonly #watchdog: Watchdog;

  constructor(redis: Redis, keyspace: Keyspace, options: WorkerOptions, parts: WorkerParts, ports: WorkerPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = options;
    this.#parts = parts;
    this.#ports = ports;
    this.#locks = new JobLocks(options.lockMs);
    this.#gather = new Gather(
      { ...options, maxMessages: options.maxMessagesPerPass },
      (messages, begunBefore, watch, batches) => {
        const keep = () => this.#locks.keep(batches.map(({ id }) => id));
        const places = batches.map(({ place }) => place);
        return ports.process(messages, this.#stop.signal, { begunBefore, watch, keep }, places);
      },
    );
    this.#watchdog = new Watchdog(options.watchdogMs, {
      waitingJobs: () => ports.waitingJobs(),
      heldJobs: () => this.#atWork.size,
      waitingOnPurpose: () => this.#waiting > 0 || ports.waitingOnPurpose(),
      stalled: (error) => ports.stalled(error),
    });
  }

  async start(): Promise<void> {
    this.#worker = new PacedWorker<JobData>(this.#keyspace.queueName, (job, token) => this.#run(job, token), {
      connection: this.#redis,
      prefix: this.#keyspace.queuePrefix,
      restMs: this.#options.restMs,
      concurrency: BATCHES_HELD,
      maxStalledCount: FOR_EVER,
      lockDuration: this.#options.lockMs,
      // Found to be held by no one, it comes again with the second look after its lock has ended.
      stalledInterval: this.#options.lockMs / 4,
      // Seconds: what comes back because its lock ended wakes none that waits for work.
      drainDelay: 0.5,
      autorun: false,
      removeOnComplete: { count: 0 },
    });
    // Redis errors may contain arguments; what matters shows in the metrics and in the watchdog.
    this.#worker.on("error", () => undefined);
    this.#worker.on("active", ({ id = "" }) => {
      if (!this.#atWork.has(id) && !this.#settled.has(id)) this.#gather.announce(jobPlace(id));
    });
    this.#worker.on("completed", ({ id = "" }) => {
      if (this.#settled.delete(id) && !this.#parts.known.isOwn(id)) void this.#parts.handedOver.tell(id);
    });
    await this.#worker.waitUntilReady();
    this.#worker.run().catch(() => this.#ports.log.error("worker loop ended", { stage: "queue" }));
    this.#watchdog.start();
  }

  /** Lets batches in progress finish until the deadline; the rest goes back into the queue. */
  async stop(): Promise<void> {
    this.#watchdog.stop();
    if (this.#worker === undefined) return;
    const closed = this.#worker.close();
    const deadline = setTimeout(() => this.#stop.abort(), this.#options.stopDeadlineMs / 2);
    let late: NodeJS.Timeout | undefined;
    const gaveUp = new Promise<"late">((resolve) => {
      late = setTimeout(() => resolve("late"), this.#options.stopDeadlineMs);
    });
    if ((await Promise.race([closed, gaveUp])) === "late") {
      this.#ports.log.warn("worker did not stop in time; its batches will be processed again", { stage: "queue" });
    }
    clearTimeout(deadline);
    clearTimeout(late);
  }

  async #run(job: Job<JobData>, token: string | undefined): Promise<void> {
    const id = job.id ?? "";
    if (this.#settled.has(id)) {
      // It only remains to remove it from the queue.
      this.#gather.drop(jobPlace(id));
      return;
    }
    this.#locks.took(job, token ?? "");
    let work = this.#atWork.get(id);
    if (work === undefined) {
      work = this.#work(job).finally(() => {
        this.#atWork.delete(id);
        this.#locks.gone(id);
      });
      this.#atWork.set(id, work);
    }
    try {
      await work;
    } catch (error) {
      if (this.#stop.signal.aborted || isLost(error)) {
        // Fails when the job is no longer ours; then another process has it already.
        await job.moveToWait(token).catch(() => undefined);
        throw new WaitingError();
      }
      // Only a code may reach Redis as the reason of a failure.
      throw new Error(faultCode(error));
    }
  }

  async #work(job: Job<JobData>): Promise<void> {
    const id = job.id ?? "";
    try {
      if ((await this.#settle(job)) === "settled") {
        this.#settled.set(id, true);
        this.#parts.known.settle(id);
      }
    } catch (error) {
      if (!this.#stop.signal.aborted && job.attemptsMade === 0) {
        const fields = { code: faultCode(error), count: jobSize(id).messages, stage: "queue" };
        this.#ports.log.warn("batch failed, will be retried", fields);
      }
      throw error;
    }
    this.#watchdog.progressed();
  }

  /** `apart`: its messages are still in the queue, in two parts. */
  async #settle(job: Job<JobData>): Promise<"settled" | "apart"> {
    const size = jobSize(job.id ?? "").messages;
    const place = jobPlace(job.id ?? "");
    const begunBefore = job.stalledCounter > 0 || job.attemptsStarted > 1;
    const open = (): readonly RawMessage[] => this.#open(job);
    try {
      if (failuresOf(job) > this.#options.maxAttemptsBeforeIsolation) {
        this.#gather.drop(place);
        return await this.#isolate(job.id ?? "", open());
      }
      const watch = isSuspect(job) ? watched(job) : undefined;
      await this.#gather.add({ id: job.id ?? "", place, size, begunBefore, watch, open });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== "ENVELOPE_UNREADABLE") throw error;
      await this.#patiently(() => this.#parts.deadLetters.addBatch("unopenable", job.data, size));
      this.#ports.deadLettered("unopenable", size);
    }
    return "settled";
  }

  #open(job: Job<JobData>): readonly RawMessage[] {
    try {
      const messages = decodeBatch(this.#parts.envelope.open(job.data, BATCH_SEAL));
      return sealedSchema(job.data) === SCHEMA ? messages : this.#ports.asTakenToday(messages);
    } catch (error) {
      throw error instanceof GatewayError ? error : new GatewayError("ENVELOPE_UNREADABLE", "not a batch");
    }
  }

  /** Halves go back into the queue as batches of their own, each without earlier failures. */
  async #isolate(id: string, messages: readonly RawMessage[]): Promise<"settled" | "apart"> {
    this.#ports.log.warn("batch failed repeatedly, isolating", { count: messages.length, stage: "queue" });
    if (messages.length <= 1) {
      await this.#ports.setAside("poison", messages, this.#stop.signal);
      return "settled";
    }
    const middle = Math.ceil(messages.length / 2);
    await this.#patiently(() => this.#parts.producer.split(id, [messages.slice(0, middle), messages.slice(middle)]));
    return "apart";
  }

  /** As in the pipeline: retryable faults are waited out in place, and cost no attempt. */
  async #patiently(act: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof GatewayError) || !error.retryable) throw error;
        this.#ports.log.warn("batch waiting, will be retried", { code: error.code, stage: "queue" });
        this.#waiting += 1;
        await sleep(error.retryAfterMs ?? RETRY_MS, undefined, { signal: this.#stop.signal }).finally(() => {
          this.#waiting -= 1;
        });
      }
    }
  }
}

/** It may be with another gateway; what shared a pass with it is no worse for it. */
function isLost(error: unknown): boolean {
  return error instanceof GatewayError && error.code === "BATCH_LOST";
}
