/** What is drawn cannot be told from one person more or less, and is the same for every gateway that draws it. */
import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { drawBetween, drawNoise, roundedCount } from "./draw.ts";

const bytes = (n: number) => createHmac("sha256", "key").update(`${n}`).digest();
const MANY = 20_000;

describe("a draw", () => {
  it("lies within its bounds, takes each number alike, and is the same again", () => {
    const times = new Map<number, number>();
    for (let n = 0; n < MANY; n += 1) {
      const drawn = drawBetween(bytes(n), 10, 15);
      expect(drawBetween(bytes(n), 10, 15)).toBe(drawn);
      times.set(drawn, (times.get(drawn) ?? 0) + 1);
    }
    expect([...times.keys()].sort()).toEqual([10, 11, 12, 13, 14, 15]);
    for (const count of times.values()) expect(Math.abs(count / MANY - 1 / 6)).toBeLessThan(0.02);
  });

  it("of noise is even on both sides, as wide as its scale, and the same again", () => {
    const drawn = Array.from({ length: MANY }, (_, n) => drawNoise(bytes(n), 8));
    expect(drawn).toEqual(Array.from({ length: MANY }, (_, n) => drawNoise(bytes(n), 8)));
    expect(drawn.every(Number.isInteger)).toBe(true);
    const mean = drawn.reduce((sum, one) => sum + one, 0) / MANY;
    const width = Math.sqrt(drawn.reduce((sum, one) => sum + one * one, 0) / MANY);
    expect(Math.abs(mean)).toBeLessThan(0.4);
    expect(Math.abs(width - 8 * Math.SQRT2)).toBeLessThan(0.5);
  });

  it("of noise survives the extremes of its bytes", () => {
    for (const fill of [0, 255]) expect(drawNoise(Buffer.alloc(32, fill), 8)).toBe(0);
    expect(drawNoise(Buffer.concat([Buffer.alloc(6, 0), Buffer.alloc(26, 255)]), 8)).toBeGreaterThan(200);
  });
});

describe("a count", () => {
  it("is a multiple of five and never below nothing", () => {
    expect([-12, 0, 2, 3, 12, 13].map((count) => roundedCount(count, 5))).toEqual([0, 0, 0, 5, 10, 15]);
  });

  /** Attack A8 of one window: nine own people, and a guess whether the tenth was there, with the best rule there is. */
  it("tells whether one person was there hardly better than a coin, where the exact count tells it always", () => {
    const guessed = (told: (people: number, n: number) => number): number => {
      const seen = new Map<number, [without: number, with_: number]>();
      for (let n = 0; n < MANY; n += 1) {
        const there = n % 2;
        const count = told(9 + there, n);
        const times = seen.get(count) ?? [0, 0];
        times[there as 0 | 1] += 1;
        seen.set(count, times);
      }
      // Knows even how often each count is told with and without the person.
      return [...seen.values()].reduce((right, [without, with_]) => right + Math.max(without, with_), 0) / MANY;
    };
    expect(guessed((people) => people)).toBe(1);
    expect(guessed((people) => roundedCount(people, 5))).toBe(0.5);
    expect(guessed((people, n) => roundedCount(people + 3 + drawNoise(bytes(n), 8), 5))).toBeLessThan(0.55);
    expect(guessed((people, n) => roundedCount(people + drawNoise(bytes(n), 8), 5))).toBeLessThan(0.55);
  });
});
