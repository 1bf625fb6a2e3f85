/** What was done in a race, and how long it took. */
import { percentile } from "../sent-log.ts";
import type { Withdrawal } from "./people.ts";

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

export class Tally {
  /** Answered withdrawals by what they took back. */
  readonly withdrawals: Record<Withdrawal["kind"], number> = { all: 0, purpose: 0, category: 0, device: 0 };
  reconsents = 0;
  erasures = 0;
  /** Rows found under the names of an erased person right after the receipt. */
  rowsAtReceipt = 0;
  readonly kills = { a: 0, b: 0 };
  /** Requests that were not answered with a success and were repeated: without any answer, and by status. */
  readonly retries: Record<string, number> = {};
  readonly withdrawalMs: number[] = [];
  readonly erasureMs: number[] = [];
  readonly snapshotMs: number[] = [];

  withdrawn(kind: Withdrawal["kind"], durationMs: number): void {
    this.withdrawals[kind] += 1;
    this.withdrawalMs.push(durationMs);
  }

  erased(durationMs: number, rowsLeft: number): void {
    this.erasures += 1;
    this.erasureMs.push(durationMs);
    this.rowsAtReceipt += rowsLeft;
  }

  /** `status`: of the answer, if there was one. */
  retried(status: number | undefined): void {
    const why = status === undefined ? "unanswered" : String(status);
    this.retries[why] = (this.retries[why] ?? 0) + 1;
  }

  get withdrawalCount(): number {
    return this.withdrawalMs.length;
  }
}

/** Zero when there are no samples. */
export function percentiles(samples: readonly number[]): Percentiles {
  if (samples.length === 0) return { p50: 0, p99: 0 };
  return { p50: percentile(samples, 0.5), p99: percentile(samples, 0.99) };
}
