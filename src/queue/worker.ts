/**
 * Takes sealed batches off the queue and hands them, opened, to the pipeline. A batch leaves the queue
 * only when every message in it is settled; while a sink is down it is held, not failed, so an outage
 * burns no attempts. A batch that keeps killing the process is halved until the culprit is alone.
 */
import { type Job, WaitingError, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import type { DeadLetterReason } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { decodeBatch, encodeMessages } from "./batch.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Envelope } from "./envelope.ts";
import { Gather } from "./gather.ts";
import { BATCH_SEAL, type JobData, jobPlace, jobSize } from "./job.ts";
import type { KnownJobs } from "./known-jobs.ts";
import type { Producer } from "./producer.ts";

export interface WorkerOptions {
  /** Passes through the pipeline at the same time. */
  readonly passesInFlight: number;
  readonly maxMessagesPerPass: number;
  /** A batch that was found abandoned more often than this is taken apart. */
  readonly maxAttemptsBeforeIsolation: number;
  /** Work waiting and nothing completed for this long: the process gives way to its supervisor. */
  readonly watchdogMs: number;
  readonly stopDeadlineMs: number;
  readonly lockMs: number;
}

export interface WorkerParts {
  readonly envelope: Pick<Envelope, "seal" | "open">;
  readonly producer: Pick<Producer, "add">;
  readonly deadLetters: Pick<DeadLetters, "add" | "addBatch">;
  readonly known: KnownJobs;
}

export interface WorkerPorts {
  /** Settles every message of a batch, or rejects when `stop` fires first; `begunBefore` by a run that did not finish it. */
  readonly process: (messages: readonly RawMessage[], stop: AbortSignal, begunBefore: boolean) => Promise<void>;
  readonly deadLettered: (reason: DeadLetterReason, count: number) => void;
  /** True when there is a reason to wait: then silence is not a stall. */
  readonly waitingOnPurpose: () => boolean;
  readonly backlogJobs: () => number;
  readonly stalled: (error: GatewayError) => void;
  readonly log: Log;
}

/** Batches held open at a time, so that small ones can share a pass. */
const BATCHES_HELD = 32;

/** Abandoned jobs are taken up again however often; what they contain was acknowledged. */
const FOR_EVER = Number.MAX_SAFE_INTEGER;

export class BatchWorker {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #options: WorkerOptions;
  readonly #parts: WorkerParts;
  readonly #ports: WorkerPorts;
  readonly #stop = new AbortController();
  readonly #gather: Gather;
  #worker: Worker<JobData> | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #lastProgressAt = 0;

  constructor(redis: Redis, keys: RedisKeys, options: WorkerOptions, parts: WorkerParts, ports: WorkerPorts) {
    this.#redis = redis;
    this.#keys = keys;
    this.#options = options;
    this.#parts = parts;
    this.#ports = ports;
    this.#gather = new Gather(
      { passesInFlight: options.passesInFlight, maxMessages: options.maxMessagesPerPass },
      (messages, begunBefore) => ports.process(messages, this.#stop.signal, begunBefore),
    );
  }

  async start(): Promise<void> {
    this.#worker = new Worker<JobData>(this.#keys.queueName, (job, token) => this.#run(job, token), {
      connection: this.#redis,
      prefix: this.#keys.queuePrefix,
      concurrency: BATCHES_HELD,
      maxStalledCount: FOR_EVER,
      lockDuration: this.#options.lockMs,
      stalledInterval: this.#options.lockMs / 2,
      drainDelay: 5,
      autorun: false,
      removeOnComplete: { count: 0 },
    });
    // Errors of Redis may hold arguments; what matters shows in the metrics and in the watchdog.
    this.#worker.on("error", () => undefined);
    this.#worker.on("active", (job) => this.#gather.announce(jobPlace(job.id ?? "")));
    await this.#worker.waitUntilReady();
    this.#progressed();
    this.#worker.run().catch(() => this.#ports.log.error("worker loop ended", { stage: "queue" }));
    this.#watchdog = setInterval(() => this.#watch(), Math.max(500, this.#options.watchdogMs / 10));
    this.#watchdog.unref();
  }

  /** Lets batches under way finish until the deadline; what is left goes back into the queue. */
  async stop(): Promise<void> {
    clearInterval(this.#watchdog);
    if (this.#worker === undefined) return;
    const closed = this.#worker.close();
    const deadline = setTimeout(() => this.#stop.abort(), this.#options.stopDeadlineMs / 2);
    let late: NodeJS.Timeout | undefined;
    const gaveUp = new Promise<"late">((resolve) => {
      late = setTimeout(() => resolve("late"), this.#options.stopDeadlineMs);
    });
    if ((await Promise.race([closed, gaveUp])) === "late") {
      this.#ports.log.warn("worker did not stop in time; its batches will be taken up again", { stage: "queue" });
    }
    clearTimeout(deadline);
    clearTimeout(late);
  }

  async #run(job: Job<JobData>, token: string | undefined): Promise<void> {
    const id = job.id ?? "";
    this.#parts.known.take(id);
    try {
      await this.#settle(job);
    } catch (error) {
      if (this.#stop.signal.aborted) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      // Nothing but a code may reach Redis as the reason of a failure.
      throw new Error(error instanceof GatewayError ? error.code : "FAULT");
    }
    this.#parts.known.finish(id);
    this.#progressed();
  }

  async #settle(job: Job<JobData>): Promise<void> {
    const size = jobSize(job.id ?? "").messages;
    const place = jobPlace(job.id ?? "");
    const begunBefore = job.stalledCounter > 0 || job.attemptsStarted > 1;
    const open = (): RawMessage[] => this.#open(job);
    try {
      if (job.stalledCounter > this.#options.maxAttemptsBeforeIsolation) {
        this.#gather.drop(place);
        await this.#isolate(open());
      } else await this.#gather.add({ place, size, begunBefore, open });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== "ENVELOPE_UNREADABLE") throw error;
      await this.#parts.deadLetters.addBatch("unopenable", job.data, size);
      this.#ports.deadLettered("unopenable", size);
    }
  }

  #open(job: Job<JobData>): RawMessage[] {
    try {
      return decodeBatch(this.#parts.envelope.open(job.data, BATCH_SEAL));
    } catch (error) {
      throw error instanceof GatewayError ? error : new GatewayError("ENVELOPE_UNREADABLE", "not a batch");
    }
  }

  /** Halves go back into the queue as batches of their own, each with a clean record. */
  async #isolate(messages: readonly RawMessage[]): Promise<void> {
    this.#ports.log.warn("batch abandoned repeatedly, isolating", { count: messages.length, stage: "queue" });
    if (messages.length === 1) {
      await this.#parts.deadLetters.add("poison", messages);
      this.#ports.deadLettered("poison", 1);
      return;
    }
    const middle = Math.ceil(messages.length / 2);
    for (const half of [messages.slice(0, middle), messages.slice(middle)]) {
      await this.#parts.producer.add(this.#parts.envelope.seal(encodeMessages(half), BATCH_SEAL), half.length);
    }
  }

  #progressed(): void {
    this.#lastProgressAt = performance.now();
  }

  #watch(): void {
    if (this.#ports.backlogJobs() === 0 || this.#ports.waitingOnPurpose()) {
      this.#progressed();
      return;
    }
    const silentMs = performance.now() - this.#lastProgressAt;
    if (silentMs > this.#options.watchdogMs) {
      this.#ports.stalled(new GatewayError("PIPELINE_STALLED", `nothing completed for ${Math.round(silentMs)} ms`));
    }
  }
}
