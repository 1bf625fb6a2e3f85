import { describe, expect, it } from "vitest";
import { Rates, TokenBucket } from "./rate.ts";

describe("TokenBucket", () => {
  it("allows the burst at once and the rate after that", () => {
    const bucket = new TokenBucket(10, 3, 0);
    expect([0, 0, 0, 0].map((now) => bucket.take(now))).toEqual([true, true, true, false]);
    expect(bucket.take(99)).toBe(false);
    expect(bucket.take(101)).toBe(true);
    expect(bucket.take(101)).toBe(false);
  });

  it("neither gains nor loses when the clock jumps back", () => {
    const bucket = new TokenBucket(10, 1, 1_000_000);
    expect(bucket.take(1_000_000)).toBe(true);
    expect(bucket.take(0)).toBe(false);
    expect(bucket.take(50)).toBe(false);
    expect(bucket.take(101)).toBe(true);
  });

  it("never holds more than the burst", () => {
    const bucket = new TokenBucket(1000, 2, 0);
    expect([9_999, 9_999, 9_999].map((now) => bucket.take(now))).toEqual([true, true, false]);
  });
});

describe("Rates", () => {
  it("keeps a bucket across reconnects and drops the least recently used", () => {
    const rates = new Rates({ perSecond: 1, burst: 1, remembered: 2 });
    expect(rates.bucket("a", 0).take(0)).toBe(true);
    expect(rates.bucket("a", 0).take(0)).toBe(false);
    rates.bucket("b", 0);
    rates.bucket("c", 0);
    expect(rates.bucket("a", 0).take(0)).toBe(true);
  });
});
