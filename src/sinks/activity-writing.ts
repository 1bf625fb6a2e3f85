/**
 * Takes finished windows of cell activity to the store, and keeps them until it has them: an outage delays them.
 * Bounded, the oldest go first.
 */
import type { CellActivity } from "./cell-activity.ts";

const MAX_LINES = 50_000;
const LINES_PER_WRITE = 2_000;

export class ActivityWriting {
  readonly #activity: Pick<CellActivity, "take">;
  readonly #write: (lines: readonly string[]) => Promise<unknown>;
  readonly #lines: string[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(activity: Pick<CellActivity, "take">, write: (lines: readonly string[]) => Promise<unknown>) {
    this.#activity = activity;
    this.#write = write;
  }

  /** Windows that ended before `nowMs`, or all when `final`, now wait to be written. */
  collect(nowMs: number, final = false): void {
    for (const line of this.#activity.take(nowMs, final)) this.#lines.push(line);
    this.#lines.splice(0, Math.max(0, this.#lines.length - MAX_LINES));
  }

  /** Rejects when the store has not got all that waits; what it has not got is kept. */
  write(): Promise<void> {
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#writeAll());
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#lines.length > 0) {
      const some = this.#lines.slice(0, LINES_PER_WRITE);
      await this.#write(some);
      // Some of them may have had to go meanwhile.
      const done = new Set(some);
      while (done.has(this.#lines[0] ?? "")) this.#lines.shift();
    }
  }
}
