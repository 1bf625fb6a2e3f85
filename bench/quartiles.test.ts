import { describe, expect, it } from "vitest";
import { median, quantile, quartiles, ratioOfPairs } from "./quartiles.ts";

describe("quantile", () => {
  it("is one of the values or lies between the two nearest", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([10, 20, 30, 40, 50], 0.25)).toBe(20);
    expect(quantile([10, 20, 30, 40], 0.75)).toBe(32.5);
    expect(quantile([7], 0.25)).toBe(7);
    expect(quantile([1, 2, 3], 1)).toBe(3);
  });

  it("sorts by value and leaves the values as they were", () => {
    const values = [10, 9, 100];
    expect(median(values)).toBe(10);
    expect(values).toEqual([10, 9, 100]);
  });

  it("of no values is not a number", () => {
    expect(quartiles([])).toEqual({ median: Number.NaN, p25: Number.NaN, p75: Number.NaN });
  });
});

describe("ratioOfPairs", () => {
  it("compares each window with its neighbour", () => {
    expect(ratioOfPairs([30, 40, 50, 60], [10, 10, 10, 10])).toEqual({ median: 4.5, p25: 3.75, p75: 5.25, pairs: 4 });
  });

  it("does not see a slowdown that both windows of a pair had", () => {
    expect(ratioOfPairs([30, 300, 33], [10, 100, 11])).toEqual({ median: 3, p25: 3, p75: 3, pairs: 3 });
  });

  it("refuses windows without a neighbour", () => {
    expect(() => ratioOfPairs([1, 2], [1])).toThrow("neighbour");
  });
});
