/**
 * A BullMQ worker that does not run for each batch. Where the queue was found empty, it waits a little before it asks again: the batches that come
 * meanwhile are fetched together, in one wake-up instead of several. After a rest, and while batches wait, it asks at once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Job, type Processor, Worker, type WorkerOptions } from "bullmq";
import { untilBeat } from "../platform/beat.ts";

export interface PacedOptions extends WorkerOptions {
  readonly restMs: number;
}

export class PacedWorker<Data> extends Worker<Data> {
  readonly #restMs: number;
  #foundEmpty = true;
  #fetchedAt = Number.NEGATIVE_INFINITY;

  constructor(name: string, process: Processor<Data>, { restMs, ...options }: PacedOptions) {
    super(name, process, options);
    this.#restMs = restMs;
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job<Data>> {
    const now = performance.now();
    if (this.#foundEmpty && now - this.#fetchedAt < this.#restMs) await sleep(untilBeat(this.#restMs, now));
    // BullMQ has asked before the wait whether it is being closed.
    if (this.closing !== undefined) return undefined as unknown as Job<Data>;
    this.#fetchedAt = performance.now();
    const job: Job<Data> | undefined = await super.moveToActive(token, name);
    this.#foundEmpty = job === undefined;
    return job as Job<Data>;
  }
}
