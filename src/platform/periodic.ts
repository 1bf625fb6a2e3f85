/** Small recurring jobs. A failed job is logged and runs again at its next turn; no job overlaps itself. */

import type { Log } from "../model/log.ts";
import { faultCode } from "./fault-code.ts";

/** How the next turn is waited for. A tool that sets the clock of a gateway replaces it; the product never does. */
export const TURNS = {
  /** Returns what cancels it. */
  after(everyMs: number, turn: () => Promise<void>): () => void {
    const timer = setTimeout(() => void turn(), everyMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export interface PeriodicTask {
  /** A constant from the source; appears in the log as `stage`. */
  readonly name: string;
  readonly everyMs: number;
  run(): Promise<void> | void;
}

export class Periodic {
  readonly #tasks: readonly PeriodicTask[];
  readonly #log: Log;
  readonly #timers = new Map<PeriodicTask, () => void>();
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
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #schedule(task: PeriodicTask): void {
    if (this.#stopped) return;
    this.#timers.set(
      task,
      TURNS.after(task.everyMs, () => this.#turn(task)),
    );
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
