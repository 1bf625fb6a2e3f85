import { describe, expect, it } from "vitest";
import { LatencyHistogram } from "./latency-histogram.ts";

describe("LatencyHistogram", () => {
  it("knows percentiles within the width of a bucket", () => {
    const histogram = new LatencyHistogram();
    for (let us = 1; us <= 100_000; us += 1) histogram.record(us);
    const { count, mean, p50, p90, p99, max } = histogram.summary();
    expect(count).toBe(100_000);
    expect(mean).toBeCloseTo(50, 0);
    for (const [found, exact] of [
      [p50, 50],
      [p90, 90],
      [p99, 99],
    ] as const) {
      expect(Math.abs(found - exact) / exact).toBeLessThan(0.035);
    }
    expect(max).toBe(100);
  });

  it("counts a group of equal durations as that many messages", () => {
    const histogram = new LatencyHistogram();
    histogram.record(1000, 99);
    histogram.record(900_000);
    expect(histogram.summary()).toMatchObject({
      count: 100,
      p50: expect.closeTo(1, 1),
      p99: expect.closeTo(1, 1),
      max: 900,
    });
  });

  it("is empty again after a reset", () => {
    const histogram = new LatencyHistogram();
    histogram.record(500);
    histogram.reset();
    expect(histogram.summary()).toEqual({ count: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0 });
  });
});

it("adds the buckets of several histograms up, as if all had been recorded in one", () => {
  const [one, two, both] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
  for (const [histogram, us] of [
    [one, 300],
    [one, 40_000],
    [two, 5000],
    [two, 900_000],
  ] as const) {
    histogram.record(us, 10);
    both.record(us, 10);
  }
  expect(LatencyHistogram.of([one.buckets(), two.buckets()]).summary()).toEqual(both.summary());
});
