/** Totals of open erasures over all gateways: each gateway sees all of them. Pure. */
import type { ErasureStatus } from "../../model/erasure.ts";

export interface ErasureSurvey {
  readonly running: number;
  readonly held: number;
  /** Age of the oldest that could continue; one under a hold is not late. */
  readonly oldestMs: number;
  /** Notices that have left, without an answer. */
  readonly unanswered: number;
}

export function surveyOf(open: readonly ErasureStatus[], now: number): ErasureSurvey {
  const running = open.filter(({ state }) => state === "running");
  return {
    running: running.length,
    held: open.filter(({ state }) => state === "held").length,
    oldestMs: now - Math.min(now, ...running.map(({ requestedAt }) => requestedAt)),
    unanswered: open
      .flatMap(({ services }) => services)
      .reduce((sum, { unacknowledged, waiting = 0 }) => sum + unacknowledged - waiting, 0),
  };
}
