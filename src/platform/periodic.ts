/** Small recurring jobs. A failed job is logged and runs again at its next turn; no job overlaps itself. */

import type { Log } from "../model/log.ts";
import { faultCode } from "./fault-code.ts";

export interface PeriodicTask {
  /** A constant from the source; appears in the log as `stage`. */
  readonly name: string;
  readonly everyMs: number;
  run(): Promise<void> | void;
}

export class Periodic {
  readonly #tasks: readonly PeriodicTask[];
  readonly #log: Log;
  readonly #timers = new Map<PeriodicTask, NodeJS.Timeout>();
  #stopped = true;

  constructor(tasks: readonly PeriodicTask[], log: Log) {
    this.#tasks = tasks;
    this.#log = log;
  }

  start(): void {
    this.#stopped = false;
    for (const task of this.#tasks) this.#schedule(task);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #schedule(task: PeriodicTask): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => void this.#turn(task), task.everyMs);
    timer.unref();
    this.#timers.set(task, timer);
  }

  async #turn(task: PeriodicTask): Promise<void> {
    try {
      await task.run();
    } catch (error) {
      this.#log.warn("periodic task failed", {
        stage: task.name,
        code: faultCode(error),
      });
    }
    this.#schedule(task);
  }
}
