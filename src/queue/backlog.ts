/**
 * How much is waiting in the queue, computed from the ids of the jobs, so that it is correct after any crash. Of a long
 * queue only both ends are read and the total is estimated, so the cost does not depend on the depth. A backlog over
 * its byte budget is a state, not a fault: admission stops acknowledging and reading until the worker has caught up.
 */
import type { Redis } from "ioredis";
import type { Log } from "../model/log.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { jobSize, wholeOf } from "./job.ts";

export interface BacklogOptions {
  readonly maxBytes: number;
  readonly pollMs: number;
}

export interface BacklogDepth {
  readonly jobs: number;
  /** Of these, the jobs that no gateway has taken yet. */
  readonly waitingJobs: number;
  readonly messages: number;
  readonly bytes: number;
}

/** Ids read from each end of the queue: exact up to this many jobs. */
const SAMPLED = 1_000;

/** Memory Redis needs for a job besides its sealed bytes; matters when many small batches wait. */
const JOB_OVERHEAD_BYTES = 1_024;

/** Polls that may be missed before the last depth counts as outdated. */
const LATE_POLLS = 4;

/** A full backlog counts as full until it has shrunk to this share of its budget. */
const RELIEF = 0.9;

export class Backlog {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #options: BacklogOptions;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #depth: BacklogDepth = { jobs: 0, waitingJobs: 0, messages: 0, bytes: 0 };
  #full = false;
  #measuredAt = Number.NEGATIVE_INFINITY;

  constructor(redis: Redis, keyspace: Keyspace, options: BacklogOptions, log: Log) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = options;
    this.#log = log;
  }

  async start(): Promise<void> {
    await this.measure();
    const poll = async (): Promise<void> => {
      // Redis unavailable: the last known depth stays valid, and admission fails by itself.
      await this.measure().catch(() => undefined);
      this.#timer = setTimeout(poll, this.#options.pollMs);
      this.#timer.unref();
    };
    this.#timer = setTimeout(poll, this.#options.pollMs);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  get depth(): BacklogDepth {
    return this.#depth;
  }

  get full(): boolean {
    return this.#full;
  }

  /** Whether the depth is current: not while Redis is down, nor right after this process was paused. */
  get current(): boolean {
    return performance.now() - this.#measuredAt < this.#options.pollMs * LATE_POLLS;
  }

  /**
   * One name for each batch that is not complete, also if only a part of it is open; unordered. Rejects when Redis does
   * not answer.
   */
  async batches(): Promise<string[]> {
    // In one transaction: a job moved from one list to another between two reads would be in neither.
    const replies = await this.#redis
      .multi()
      .lrange(this.#key("wait"), 0, -1)
      .lrange(this.#key("active"), 0, -1)
      .lrange(this.#key("paused"), 0, -1)
      .zrange(this.#key("delayed"), "0", "-1")
      .exec();
    const ids = (replies ?? []).flatMap(([error, reply]) => {
      if (error !== null) throw error;
      return reply as string[];
    });
    return [...new Set(ids.map(wholeOf))];
  }

  /** Creation time of the oldest incomplete batch, Unix ms; `undefined` when there is none. Rejects as `batches`. */
  async oldestAt(): Promise<number | undefined> {
    const [waiting, others] = await Promise.all([this.#redis.lrange(this.#key("wait"), -1, -1), this.#notWaiting()]);
    const made = await Promise.all(
      [...waiting, ...others.slice(0, SAMPLED)].map((id) => this.#redis.hget(this.#key(id), "timestamp")),
    );
    const times = made.flatMap((text) => (text === null ? [] : [Number(text)]));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  async measure(): Promise<BacklogDepth> {
    const wait = this.#key("wait");
    const [waitingJobs, newest, oldest, others] = await Promise.all([
      this.#redis.llen(wait),
      this.#redis.lrange(wait, 0, SAMPLED - 1),
      this.#redis.lrange(wait, -SAMPLED, -1),
      this.#notWaiting(),
    ]);
    const sample = waitingJobs <= SAMPLED ? newest : [...newest, ...oldest];
    const share = sample.length === 0 ? 0 : waitingJobs / sample.length;
    const waiting = totalOf(sample);
    const rest = totalOf(others);
    this.#measuredAt = performance.now();
    this.#depth = {
      jobs: waitingJobs + rest.jobs,
      waitingJobs,
      messages: Math.round(waiting.messages * share) + rest.messages,
      bytes: Math.round(waiting.bytes * share) + rest.bytes,
    };
    this.#judge();
    return this.#depth;
  }

  async #notWaiting(): Promise<string[]> {
    const [active, paused, delayed] = await Promise.all([
      this.#redis.lrange(this.#key("active"), 0, -1),
      this.#redis.lrange(this.#key("paused"), 0, -1),
      this.#redis.zrange(this.#key("delayed"), "0", "-1"),
    ]);
    return [...active, ...paused, ...delayed];
  }

  #key(state: string): string {
    return `${this.#keyspace.queuePrefix}:${this.#keyspace.queueName}:${state}`;
  }

  #judge(): void {
    const { maxBytes } = this.#options;
    const full = this.#depth.bytes > maxBytes * (this.#full ? RELIEF : 1);
    if (full !== this.#full) {
      this.#full = full;
      this.#log.warn(full ? "backlog over its budget, admission waits" : "backlog within its budget again", {
        bytes: this.#depth.bytes,
        count: this.#depth.messages,
      });
    }
  }
}

function totalOf(ids: readonly string[]): Omit<BacklogDepth, "waitingJobs"> {
  let messages = 0;
  let bytes = 0;
  for (const id of ids) {
    const size = jobSize(id);
    messages += size.messages;
    bytes += size.bytes + JOB_OVERHEAD_BYTES;
  }
  return { jobs: ids.length, messages, bytes };
}
