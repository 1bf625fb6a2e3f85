/**
 * How much is waiting in the queue, read from the ids of the jobs, so that it is right after any crash.
 * Over its budget in bytes the backlog is a state, not a fault: admission stops acknowledging and
 * stops reading until the worker has caught up.
 */
import type { Redis } from "ioredis";
import type { Log } from "../model/log.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { jobSize } from "./job.ts";

export interface BacklogOptions {
  readonly maxBytes: number;
  readonly pollMs: number;
}

export interface BacklogDepth {
  readonly jobs: number;
  readonly messages: number;
  readonly bytes: number;
}

/** A full backlog is taken to be full until it has shrunk to this share of its budget. */
const RELIEF = 0.9;

export class Backlog {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #options: BacklogOptions;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #depth: BacklogDepth = { jobs: 0, messages: 0, bytes: 0 };
  #full = false;

  constructor(redis: Redis, keys: RedisKeys, options: BacklogOptions, log: Log) {
    this.#redis = redis;
    this.#keys = keys;
    this.#options = options;
    this.#log = log;
  }

  async start(): Promise<void> {
    await this.measure();
    const poll = async (): Promise<void> => {
      // Unreachable Redis: the last known depth stands, and admission fails on its own.
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

  /** Ids of all batches that are not settled, in no order. Rejects when Redis does not answer. */
  async batches(): Promise<string[]> {
    const { queuePrefix, queueName } = this.#keys;
    const key = (state: string): string => `${queuePrefix}:${queueName}:${state}`;
    const [waiting, active, paused, delayed] = await Promise.all([
      this.#redis.lrange(key("wait"), 0, -1),
      this.#redis.lrange(key("active"), 0, -1),
      this.#redis.lrange(key("paused"), 0, -1),
      this.#redis.zrange(key("delayed"), "0", "-1"),
    ]);
    return [...waiting, ...active, ...paused, ...delayed];
  }

  async measure(): Promise<BacklogDepth> {
    let messages = 0;
    let bytes = 0;
    const ids = await this.batches();
    for (const id of ids) {
      const size = jobSize(id);
      messages += size.messages;
      bytes += size.bytes;
    }
    this.#depth = { jobs: ids.length, messages, bytes };
    this.#judge();
    return this.#depth;
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
