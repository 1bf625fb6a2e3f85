/**
 * Takes finished windows of cell activity to the store, and keeps them until it has them: an outage delays them.
 * Bounded, the oldest go first.
 */
import type { CellCount } from "../model/sink.ts";
import type { CellActivity } from "./cell-activity.ts";

const MAX_COUNTS = 50_000;
const COUNTS_PER_WRITE = 2_000;

export class ActivityWriting {
  readonly #activity: Pick<CellActivity, "take">;
  readonly #write: (counts: readonly CellCount[]) => Promise<unknown>;
  readonly #counts: CellCount[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(activity: Pick<CellActivity, "take">, write: (counts: readonly CellCount[]) => Promise<unknown>) {
    this.#activity = activity;
    this.#write = write;
  }

  /** Windows that ended before `nowMs`, or all when `final`, now wait to be written. */
  collect(nowMs: number, final = false): void {
    for (const count of this.#activity.take(nowMs, final)) this.#counts.push(count);
    this.#counts.splice(0, Math.max(0, this.#counts.length - MAX_COUNTS));
  }

  /** Rejects when the store has not got all that waits; what it has not got is kept. */
  write(): Promise<void> {
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#writeAll());
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#counts.length > 0) {
      const some = this.#counts.slice(0, COUNTS_PER_WRITE);
      await this.#write(some);
      // Some of them may have had to go meanwhile.
      const done = new Set(some);
      const left = this.#counts.findIndex((count) => !done.has(count));
      this.#counts.splice(0, left === -1 ? this.#counts.length : left);
    }
  }
}
