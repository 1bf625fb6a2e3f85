import { describe, expect, test } from "vitest";
import { Random } from "../../simulators/random.ts";
import { assign } from "./assignment.ts";
import { auc } from "./auc.ts";
import { atLeast, wilson } from "./interval.ts";

describe("an interval of a share", () => {
  test("is that of Wilson", () => {
    // 10 of 100: https://www.statskingdom.com/proportion-confidence-interval-calculator.html
    const { low, high } = wilson(10, 100);
    expect(low).toBeCloseTo(0.0552, 3);
    expect(high).toBeCloseTo(0.1744, 3);
  });

  test("says nothing of no trials, and not everything of few", () => {
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
    expect(wilson(0, 8).high).toBeGreaterThan(0.3);
    expect(wilson(8, 8).low).toBeLessThan(0.7);
  });
});

describe("so many hits or more", () => {
  test("are as probable as the binomial distribution says", () => {
    expect(atLeast(0, 10, 0.5)).toBe(1);
    expect(atLeast(10, 10, 0.5)).toBeCloseTo(1 / 1_024, 12);
    expect(atLeast(1, 10, 0.1)).toBeCloseTo(1 - 0.9 ** 10, 12);
    expect(atLeast(2, 3, 0.25)).toBeCloseTo(10 / 64, 12);
    expect([atLeast(1, 5, 0), atLeast(5, 5, 1)]).toEqual([0, 1]);
  });

  test("of few trials are no proof, and of rare ones many are", () => {
    // Of a hundred with one expected, chance makes eight once in a hundred thousand times.
    expect(atLeast(8, 100, 0.01)).toBeGreaterThan(1e-6);
    expect(atLeast(30, 100, 0.01)).toBeLessThan(1e-20);
  });
});

describe("two classes by one number", () => {
  test("are told apart entirely, in whichever direction, or not at all", () => {
    expect(auc([1, 2, 3], [4, 5, 6]).value).toBe(1);
    expect(auc([4, 5, 6], [1, 2, 3]).value).toBe(1);
    expect(auc([4, 4, 4], [4, 4]).value).toBe(0.5);
  });

  test("whose values lie between each other's are told apart in part", () => {
    // Of nine pairs six have the greater one on the right.
    expect(auc([1, 3, 5], [2, 4, 6]).value).toBeCloseTo(6 / 9);
  });
});

describe("the best assignment", () => {
  const random = () => new Random(1);

  test("is the best for all together, and not for the first", () => {
    // Anyone who gives the first its best has nothing left for the second.
    const scores = [
      [10, 9],
      [9, 0],
    ];
    expect(assign(2, 2, (left, right) => scores[left]?.[right] ?? 0, random())).toEqual([1, 0]);
  });

  test("leaves those without a partner that are too many", () => {
    expect(assign(3, 1, (left) => left, random())).toEqual([-1, -1, 0]);
    expect(assign(2, 0, () => 1, random())).toEqual([-1, -1]);
  });

  test("gets no more right than a guess where nothing tells anything", () => {
    const right = assign(400, 400, () => 0, random()).filter((partner, index) => partner === index).length;
    expect(right).toBeLessThan(8);
  });
});
