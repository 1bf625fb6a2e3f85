/**
 * Work that recurs over days, by the clock of Redis: BullMQ job schedulers, so that of several gateways
 * one does it at a time, and a gateway that was down at the hour does it when it is back.
 */
import { type Job, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";

export interface ScheduledTask {
  /** A constant from the source. */
  readonly name: string;
  readonly everyMs: number;
  run(stop: AbortSignal): Promise<unknown>;
}

const LOCK_MS = 30_000;
const STOP_DEADLINE_MS = 4_000;

export class Schedule {
  readonly #connections: { readonly producer: Redis; readonly worker: Redis };
  readonly #keys: RedisKeys;
  readonly #tasks: readonly ScheduledTask[];
  readonly #log: Log;
  readonly #stop = new AbortController();
  #queue: Queue | undefined;
  #worker: Worker | undefined;

  constructor(
    connections: { readonly producer: Redis; readonly worker: Redis },
    keys: RedisKeys,
    tasks: readonly ScheduledTask[],
    log: Log,
  ) {
    this.#connections = connections;
    this.#keys = keys;
    this.#tasks = tasks;
    this.#log = log;
  }

  async start(): Promise<void> {
    const { upkeepQueueName: name, upkeepQueuePrefix: prefix } = this.#keys;
    this.#queue = new Queue(name, {
      connection: this.#connections.producer,
      prefix,
      streams: { events: { maxLen: 0 } },
      skipWaitingForReady: true,
    });
    this.#queue.on("error", () => undefined);
    await this.#queue.waitUntilReady();
    await this.#arrange(this.#queue);
    this.#worker = new Worker(name, (job) => this.#turn(job), {
      connection: this.#connections.worker,
      prefix,
      concurrency: 1,
      lockDuration: LOCK_MS,
      autorun: false,
    });
    this.#worker.on("error", () => undefined);
    await this.#worker.waitUntilReady();
    this.#worker.run().catch(() => this.#log.error("worker loop ended", { stage: "upkeep" }));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_DEADLINE_MS);
    });
    await Promise.race([this.#worker?.close(), late]);
    clearTimeout(timer);
    await this.#queue?.close();
  }

  /** One scheduler for each task; those of earlier releases go. */
  async #arrange(queue: Queue): Promise<void> {
    const paces = new Map(this.#tasks.map(({ name, everyMs }) => [name, everyMs]));
    // One of another pace would have its next turn as it was planned before.
    for (const { key, every } of await queue.getJobSchedulers()) {
      if (paces.get(key) !== Number(every)) await queue.removeJobScheduler(key);
    }
    for (const { name, everyMs } of this.#tasks) {
      const opts = { removeOnComplete: true, removeOnFail: true, stackTraceLimit: 0 };
      await queue.upsertJobScheduler(name, { every: everyMs }, { name, opts });
    }
  }

  async #turn(job: Job): Promise<void> {
    const task = this.#tasks.find(({ name }) => name === job.name);
    try {
      await task?.run(this.#stop.signal);
    } catch (error) {
      // The error itself may hold anything; it ends here and the task has its next turn.
      const code = error instanceof GatewayError ? error.code : "FAULT";
      this.#log.warn("periodic task failed", { stage: job.name, code });
    }
  }
}
