/** The value in the middle of a crowd says whose it is, and so does the mean of two. */
import { expect, it } from "vitest";
import { roundTo } from "../../src/vocabulary/rounding.ts";
import { MOST_NUMBERS, middleValue, numbersInMiddle, type Side } from "./middle.ts";

const SIDES: readonly Side[] = ["low", "middle", "high"];
const NUMBERS = [0, 1, 2, 77, 1_000, 54_321, 99_999, MOST_NUMBERS - 1];
const round = roundTo({ step: 1 });

it("shows one message, or the two that it is the mean of, also rounded to whole numbers", () => {
  for (const a of NUMBERS) {
    for (const b of NUMBERS.filter((other) => other >= a)) {
      for (const [one, other] of SIDES.flatMap((side) => SIDES.map((to) => [side, to] as const))) {
        const mean = (middleValue(a, one) + middleValue(b, other)) / 2;
        expect(numbersInMiddle(round(mean))).toEqual([a, b]);
      }
    }
  }
});

it("puts low before middle before high, whatever the message", () => {
  const [first, last] = [0, MOST_NUMBERS - 1];
  expect(middleValue(last, "low")).toBeLessThan(middleValue(first, "middle"));
  expect(middleValue(last, "middle")).toBeLessThan(middleValue(first, "high"));
});

it("shows nothing for a value that is no median of such values", () => {
  for (const other of [-2, 0.5, 1e300, Number.NaN, middleValue(5, "high") + 1]) {
    expect(numbersInMiddle(other)).toBeUndefined();
  }
});
