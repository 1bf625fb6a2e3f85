/**
 * Makes batches durable: one group of messages, one sealed BullMQ job. When `enqueue` resolves the job
 * is in Redis, with the durability that was established at start-up.
 */
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { RawMessage } from "../model/raw.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { encodeBatch, encodeMessages, type QueuedMessage } from "./batch.ts";
import type { Envelope } from "./envelope.ts";
import { BATCH_SEAL, HALVES, halfOf, JOB_NAME, JOB_OPTIONS, type JobData } from "./job.ts";
import type { KnownJobs } from "./known-jobs.ts";

export class Producer {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #envelope: Pick<Envelope, "seal">;
  readonly #known: KnownJobs;
  #queue: Queue<JobData> | undefined;

  constructor(redis: Redis, keys: RedisKeys, envelope: Pick<Envelope, "seal">, known: KnownJobs) {
    this.#redis = redis;
    this.#keys = keys;
    this.#envelope = envelope;
    this.#known = known;
  }

  async start(): Promise<void> {
    this.#queue = new Queue<JobData>(this.#keys.queueName, {
      connection: this.#redis,
      prefix: this.#keys.queuePrefix,
      streams: { events: { maxLen: 0 } },
      skipWaitingForReady: true,
    });
    // Its errors come back from `add` as well; what is emitted may hold command arguments and is dropped.
    this.#queue.on("error", () => undefined);
    await this.#queue.waitUntilReady();
  }

  async stop(): Promise<void> {
    await this.#queue?.close();
  }

  /**
   * Rejects with NOT_DURABLE when Redis did not confirm, and is disregarded once `signal` is aborted;
   * either way the batch may exist all the same, and the books allow for it.
   */
  async enqueue(messages: readonly QueuedMessage[], signal?: AbortSignal): Promise<void> {
    await this.add(this.#envelope.seal(encodeBatch(messages), BATCH_SEAL), messages.length, signal);
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
   * Puts the two halves of a batch into the queue in its place; whose it is does not change. Safe to repeat.
   * Rejects with NOT_DURABLE when Redis did not confirm both.
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
    } catch {
      // The cause carries the command with its arguments: it ends here.
      throw new GatewayError("NOT_DURABLE", "queue");
    }
  }
}
