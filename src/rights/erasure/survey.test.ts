import { expect, test } from "vitest";
import type { ErasureStatus } from "../../model/erasure.ts";
import { surveyOf } from "./survey.ts";

function erasure(state: string, requestedAt: number, ...unacknowledged: number[]): ErasureStatus {
  const services = unacknowledged.map((count) => ({ unacknowledged: count }));
  return { state, requestedAt, services } as unknown as ErasureStatus;
}

test("without open erasures nothing is late", () => {
  expect(surveyOf([], 100)).toEqual({ running: 0, held: 0, oldestMs: 0, unanswered: 0 });
});

test("an erasure under a hold is counted but not late; unanswered notices of all are counted", () => {
  const open = [erasure("held", 10, 2), erasure("running", 40), erasure("running", 60, 1, 3)];
  expect(surveyOf(open, 100)).toEqual({ running: 2, held: 1, oldestMs: 60, unanswered: 6 });
});

test("a clock that is behind gives no negative age", () => {
  expect(surveyOf([erasure("running", 500)], 100).oldestMs).toBe(0);
});
