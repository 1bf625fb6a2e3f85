/**
 * Work that recurs over days, by the clock of Redis: BullMQ job schedulers, so that only one gateway does it at a time,
 * and a gateway that was down at the due time does it when it is back.
 */

import type { Job, Queue, Worker } from "bullmq";
import type { Log } from "../../model/log.ts";
import { type BullConnections, closeBoth, openQueue, openWorker } from "../../platform/bull-queue.ts";
import { faultCode } from "../../platform/fault-code.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { Periodic } from "../../platform/periodic.ts";

export interface ScheduledTask {
  /** A constant from the source. */
  readonly name: string;
  readonly everyMs: number;
  run(stop: AbortSignal): Promise<unknown>;
}

const LOCK_MS = 30_000;
const LOOK_AGAIN_MS = 60_000;

export class Schedule {
  readonly #connections: BullConnections;
  readonly #keyspace: Keyspace;
  readonly #tasks: readonly ScheduledTask[];
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #looking: Periodic;
  #queue: Queue | undefined;
  #worker: Worker | undefined;

  constructor(connections: BullConnections, keyspace: Keyspace, tasks: readonly ScheduledTask[], log: Log) {
    this.#connections = connections;
    this.#keyspace = keyspace;
    this.#tasks = tasks;
    this.#log = log;
    // A turn that a gateway with a clock ahead postponed to its own time would delay all others.
    const look = async () => void (this.#queue && (await this.#arrange(this.#queue)));
    this.#looking = new Periodic([{ name: "schedule", everyMs: LOOK_AGAIN_MS, run: look }], log);
  }

  async start(): Promise<void> {
    const queue = { name: this.#keyspace.upkeepQueueName, prefix: this.#keyspace.upkeepQueuePrefix };
    this.#queue = await openQueue(this.#connections, queue);
    await this.#arrange(this.#queue);
    this.#worker = await openWorker(
      this.#connections,
      queue,
      (job) => this.#turn(job),
      { concurrency: 1, lockDuration: LOCK_MS },
      () => this.#log.error("worker loop ended", { stage: "upkeep" }),
    );
    this.#looking.start();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#looking.stop();
    await closeBoth(this.#worker, this.#queue);
  }

  /** One scheduler per task; schedulers of earlier releases are removed. */
  async #arrange(queue: Queue): Promise<void> {
    const paces = new Map(this.#tasks.map(({ name, everyMs }) => [name, everyMs]));
    // A scheduler with another interval would keep its old next turn; one set by a clock ahead would wait until that
    // day.
    for (const { key, every, next } of await queue.getJobSchedulers()) {
      const pace = paces.get(key);
      const late = Number(next ?? 0) > Date.now() + Number(every) + LOOK_AGAIN_MS;
      if (pace !== Number(every) || late) await queue.removeJobScheduler(key);
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
      // The error may contain anything, so only its code is logged; the task has its next turn.
      const code = faultCode(error);
      this.#log.warn("periodic task failed", { stage: job.name, code });
    }
  }
}
