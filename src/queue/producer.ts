/**
 * Makes batches durable: one group of messages becomes one sealed BullMQ job. When `enqueue` resolves the job is in
 * Redis, with the durability determined at start.
 */
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { RawMessage } from "../model/raw.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { writeRefusal } from "../platform/write-refusal.ts";
import { encodeBatch, encodeMessages, type QueuedMessage } from "./batch.ts";
import type { Envelope } from "./envelope.ts";
import { BATCH_SEAL, HALVES, halfOf, JOB_NAME, JOB_OPTIONS, type JobData } from "./job.ts";
import type { KnownJobs } from "./known-jobs.ts";

/** Always the same id: even if the process ends between its two writes, there is never more than one. */
const PROBE = "probe";

/** A batch without messages, written so that those who are refused wait as long as others, is no smaller than one with a few. */
const LEAST_LENGTH = 512;

export class Producer {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #envelope: Pick<Envelope, "seal">;
  readonly #known: KnownJobs;
  #queue: Queue<JobData> | undefined;
  #probes: Queue<string> | undefined;
  #lastWriteAt = Number.NEGATIVE_INFINITY;

  constructor(redis: Redis, keyspace: Keyspace, envelope: Pick<Envelope, "seal">, known: KnownJobs) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#envelope = envelope;
    this.#known = known;
  }

  async start(): Promise<void> {
    this.#queue = this.#open(this.#keyspace.queueName);
    await this.#queue.waitUntilReady();
  }

  async stop(): Promise<void> {
    await this.#queue?.close();
    await this.#probes?.close();
  }

  #open<Data>(name: string): Queue<Data> {
    const queue = new Queue<Data>(name, {
      connection: this.#redis,
      prefix: this.#keyspace.queuePrefix,
      streams: { events: { maxLen: 0 } },
      skipWaitingForReady: true,
    });
    // `add` returns these errors as well; the emitted error may contain command arguments and is dropped.
    queue.on("error", () => undefined);
    return queue as Queue<Data>;
  }

  /** Monotonic ms of the last batch that Redis confirmed. */
  get lastWriteAt(): number {
    return this.#lastWriteAt;
  }

  /** Writes as `add` does, to a queue without a worker, and removes the job again. Rejects with the Redis error. */
  async probe(): Promise<void> {
    this.#probes ??= this.#open<string>(this.#keyspace.probeQueueName);
    await this.#probes.add(JOB_NAME, "probe", { ...JOB_OPTIONS, jobId: PROBE });
    await this.#probes.remove(PROBE);
  }

  /**
   * Rejects with NOT_WRITABLE when Redis refused: then there is no batch. Rejects with NOT_DURABLE when Redis did not
   * confirm; the result is ignored once `signal` is aborted. In both latter cases the batch may exist, and the counters
   * allow for that.
   */
  async enqueue(messages: readonly QueuedMessage[], signal?: AbortSignal): Promise<void> {
    // White space behind JSON means nothing.
    const text = encodeBatch(messages).padEnd(LEAST_LENGTH);
    await this.add(this.#envelope.seal(text, BATCH_SEAL), messages.length, signal);
  }

  async add(sealed: JobData, messages: number, signal?: AbortSignal): Promise<void> {
    const id = this.#known.announce({ messages, bytes: sealed.s.length });
    try {
      await this.#add(id, sealed);
    } catch (error) {
      this.#known.disown(id);
      throw error;
    }
    if (signal?.aborted) this.#known.disown(id);
    else this.#known.confirm(id);
  }

  /**
   * Puts the two halves of a batch into the queue in its place; the origin does not change. Idempotent. Rejects with
   * NOT_DURABLE when Redis did not confirm both.
   */
  async split(id: string, halves: readonly [readonly RawMessage[], readonly RawMessage[]]): Promise<void> {
    for (const [index, half] of HALVES.entries()) {
      const messages = halves[index] ?? [];
      const sealed = this.#envelope.seal(encodeMessages(messages), BATCH_SEAL);
      await this.#add(halfOf(id, half, { messages: messages.length, bytes: sealed.s.length }), sealed);
    }
  }

  async #add(id: string, sealed: JobData): Promise<void> {
    if (this.#queue === undefined) throw new GatewayError("NOT_DURABLE", "not started");
    try {
      await this.#queue.add(JOB_NAME, sealed, { ...JOB_OPTIONS, jobId: id });
    } catch (error) {
      // The cause contains the command with its arguments: it is dropped here.
      const refusal = writeRefusal(error);
      throw refusal === undefined
        ? new GatewayError("NOT_DURABLE", "queue")
        : new GatewayError("NOT_WRITABLE", refusal);
    }
    this.#lastWriteAt = performance.now();
  }
}
