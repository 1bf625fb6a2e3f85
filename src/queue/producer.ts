/**
 * Makes batches durable: one group of messages becomes one sealed BullMQ job. When `enqueue` resolves the job is in
 * Redis, with the durability determined at start.
 */
import { setImmediate as turn } from "node:timers/promises";
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { RawMessage } from "../model/raw.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { writeRefusal } from "../platform/write-refusal.ts";
import { encodeBatch, encodeMessages, type QueuedMessage } from "./batch.ts";
import type { Envelope } from "./envelope.ts";
import { BATCH_SEAL, HALVES, halfOf, JOB_NAME, JOB_OPTIONS, type JobData, type JobPlace, jobPlace } from "./job.ts";
import type { KnownJobs } from "./known-jobs.ts";

/** Always the same id: even if the process ends between its two writes, there is never more than one. */
const PROBE = "probe";

/** About as long as a batch with a few messages. */
const COVER_LENGTH = 512;

/** What BullMQ writes for a job, beside the job. */
const OF_A_QUEUE = ["id", "events", "marker", "wait", "meta"] as const;

export class Producer {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #envelope: Pick<Envelope, "seal">;
  readonly #known: KnownJobs;
  #queue: Queue<JobData> | undefined;
  #probes: Queue<string> | undefined;
  #covers: Queue<JobData> | undefined;
  #coverNumber = 0;
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
    await this.#covers?.close();
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
   * Without messages nothing rests, but as much is written and made durable as for a few.
   * Rejects with NOT_WRITABLE when Redis refused: then there is no batch. Rejects with NOT_DURABLE when Redis did not
   * confirm; the result is ignored once `signal` is aborted. In both latter cases the batch may exist, and the counters
   * allow for that.
   */
  async enqueue(
    messages: readonly QueuedMessage[],
    signal?: AbortSignal,
    queuedAt?: (place: JobPlace) => void,
  ): Promise<void> {
    if (messages.length === 0) return this.#cover();
    await this.add(this.#envelope.seal(encodeBatch(messages), BATCH_SEAL), messages.length, signal, queuedAt);
  }

  async add(
    sealed: JobData,
    messages: number,
    signal?: AbortSignal,
    queuedAt?: (place: JobPlace) => void,
  ): Promise<void> {
    const id = this.#known.announce({ messages, bytes: sealed.s.length });
    // Before a worker can have it.
    queuedAt?.(jobPlace(id));
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

  /** By the same steps as a batch, or its time would tell; then all of it goes. */
  async #cover(): Promise<void> {
    this.#covers ??= this.#open<JobData>(this.#keyspace.coverQueueName);
    const covers = this.#covers;
    const sealed = this.#envelope.seal(encodeBatch([]).padEnd(COVER_LENGTH), BATCH_SEAL);
    this.#coverNumber += 1;
    const id = `${this.#known.origin}-${this.#coverNumber}`;
    await this.#written(() => covers.add(JOB_NAME, sealed, { ...JOB_OPTIONS, jobId: id }));
    // A worker that is woken takes a turn of the event loop.
    await turn();
    // Not waited for: it takes about the time in which the queue of batches wakes its worker. What stays because Redis went away
    // holds nothing, and the next one takes it along.
    this.#redis.del([id, ...OF_A_QUEUE].map((name) => covers.toKey(name))).catch(() => undefined);
  }

  async #add(id: string, sealed: JobData): Promise<void> {
    const queue = this.#queue;
    if (queue === undefined) throw new GatewayError("NOT_DURABLE", "not started");
    await this.#written(() => queue.add(JOB_NAME, sealed, { ...JOB_OPTIONS, jobId: id }));
  }

  async #written(write: () => Promise<unknown>): Promise<void> {
    try {
      await write();
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
