/** Nothing is kept longer than the policy promises, and nothing is deleted because of a clock that is ahead. */
import { expect, test } from "vitest";
import { DAY_MS } from "../../model/durations.ts";
import { AgreedClock } from "../../platform/agreed-clock.ts";
import { Cutoffs } from "./cutoffs.ts";

const NOW = 1_700_000_000_000;

function cutoffs(limit: number | undefined, own = NOW) {
  const clock = new AgreedClock({ time: async () => [NOW / 1_000, 0] } as never, () => own);
  return new Cutoffs(clock, { retentionLimitDays: async () => limit });
}

test.each([
  [undefined, 30],
  [7, 7],
  [90, 30],
])("of 30 days configured and %s promised, the shorter counts", async (limit, days) => {
  expect(await cutoffs(limit).promised(30)).toBe(NOW - days * DAY_MS);
});

test("of two different clocks the earlier one counts", async () => {
  expect(await cutoffs(undefined, NOW + 50 * DAY_MS).before(1)).toBe(NOW - DAY_MS);
  expect(await cutoffs(undefined, NOW - 5 * DAY_MS).before(1)).toBe(NOW - 6 * DAY_MS);
});
