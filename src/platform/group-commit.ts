/**
 * Group commit: arrivals are collected while a flush is in progress and, as long as they are few, until the next beat. A flush costs
 * the same for one item as for fifty, so a beat of a few milliseconds saves most of them where items come singly; where
 * many come there is no wait. Batches complete in the order they were taken, so acknowledgements keep the order of arrival.
 */
import { Beat } from "./beat.ts";

export interface GroupCommitOptions {
  readonly maxItems: number;
  readonly maxBytes: number;
  readonly flushesInFlight: number;
  /** Between beats; with 0 nothing waits for one. */
  readonly beatMs: number;
  /** From arrival to completion; an older item fails. */
  readonly deadlineMs: number;
}

export interface GroupCommitPorts<T> {
  /** Makes a batch durable. A rejection fails the whole batch; so does the deadline, which aborts `signal`. */
  flush(batch: readonly T[], signal: AbortSignal): Promise<void>;
  settle(batch: readonly T[], error: unknown): void;
  /** While true nothing is flushed: items wait until this changes or their deadline passes. */
  held(): boolean;
}

/** What an item must state itself, so that a waiting item needs no additional object. */
export interface Committable {
  /** Counted against `maxBytes`. */
  readonly weight: number;
  /** Monotonic ms of its arrival. */
  readonly startedAt: number;
  /** Never in another batch than the item before it. */
  readonly follows: boolean;
}

export class DeadlinePassed extends Error {}

/** So many items are worth a flush of their own at once, or `maxBytes` of them. */
const MANY = 64;

export class GroupCommit<T extends Committable> {
  readonly #options: GroupCommitOptions;
  readonly #ports: GroupCommitPorts<T>;
  #waiting: T[] = [];
  #head = 0;
  #waitingBytes = 0;
  #underWay = 0;
  readonly #beat: Beat;
  #settled: Promise<void> = Promise.resolve();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: GroupCommitOptions, ports: GroupCommitPorts<T>) {
    this.#options = options;
    this.#ports = ports;
    this.#beat = new Beat(options.beatMs, () => this.#flush());
  }

  start(): void {
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(250, this.#options.deadlineMs / 4));
    this.#sweeper.unref();
  }

  /** Flushes what is waiting, as far as the deadline allows, and completes everything. */
  async stop(): Promise<void> {
    const deadline = performance.now() + this.#options.deadlineMs;
    while ((this.size > 0 || this.#underWay > 0) && performance.now() < deadline) {
      this.#flush();
      await Promise.race([this.#settled, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
    clearInterval(this.#sweeper);
    this.#beat.stop();
    this.#expire(Number.POSITIVE_INFINITY);
    await this.#settled;
  }

  get size(): number {
    return this.#waiting.length - this.#head;
  }

  add(item: T): void {
    this.#waiting.push(item);
    this.#waitingBytes += item.weight;
    if (this.#underWay < this.#options.flushesInFlight) this.#schedule();
  }

  #schedule(): void {
    if (this.size > 0) this.#beat.call(this.size >= MANY || this.#waitingBytes >= this.#options.maxBytes);
  }

  #flush(): void {
    while (this.size > 0 && this.#underWay < this.#options.flushesInFlight && !this.#ports.held()) {
      this.#commit(this.#take());
    }
  }

  #take(): T[] {
    const batch: T[] = [];
    let bytes = 0;
    while (this.#head < this.#waiting.length) {
      const next = this.#waiting[this.#head];
      if (next === undefined) break;
      const full = batch.length >= this.#options.maxItems || bytes + next.weight > this.#options.maxBytes;
      if (full && batch.length > 0 && !next.follows) break;
      batch.push(next);
      bytes += next.weight;
      this.#head += 1;
    }
    this.#waitingBytes -= bytes;
    this.#compact();
    return batch;
  }

  #compact(): void {
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
      this.#waitingBytes = 0;
    } else if (this.#head > 4096) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }

  #commit(batch: readonly T[]): void {
    this.#underWay += 1;
    // Its oldest item has used a part of the deadline by waiting.
    const age = performance.now() - (batch[0]?.startedAt ?? 0);
    const flushed = withDeadline((signal) => this.#ports.flush(batch, signal), this.#options.deadlineMs - age);
    const previous = this.#settled;
    this.#settled = flushed.then(
      () => this.#settle(previous, batch, undefined),
      (error: unknown) => this.#settle(previous, batch, error ?? new Error("flush failed")),
    );
  }

  async #settle(previous: Promise<void>, batch: readonly T[], error: unknown): Promise<void> {
    // The slot is free as soon as the work is done; only the acknowledgement waits for its turn.
    this.#underWay -= 1;
    this.#schedule();
    await previous;
    this.#ports.settle(batch, error);
  }

  #sweep(): void {
    this.#expire(performance.now() - this.#options.deadlineMs);
    this.#flush();
  }

  #expire(before: number): void {
    const expired: T[] = [];
    while (this.#head < this.#waiting.length) {
      const next = this.#waiting[this.#head];
      if (next === undefined || (next.startedAt > before && !(next.follows && expired.length > 0))) break;
      expired.push(next);
      this.#waitingBytes -= next.weight;
      this.#head += 1;
    }
    this.#compact();
    if (expired.length === 0) return;
    const previous = this.#settled;
    this.#settled = previous.then(() => this.#ports.settle(expired, new DeadlinePassed("waited past its deadline")));
  }
}

async function withDeadline(work: (signal: AbortSignal) => Promise<void>, deadlineMs: number): Promise<void> {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((_, reject) => {
    timer = setTimeout(() => {
      late.abort();
      reject(new DeadlinePassed("flush took too long"));
    }, deadlineMs);
  });
  try {
    await Promise.race([work(late.signal), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
