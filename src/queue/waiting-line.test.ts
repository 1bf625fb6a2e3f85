import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WaitingLine } from "./waiting-line.ts";

const place = (number: number, origin = "a", part = "") => ({ origin, number, part });
const all = () => true;

describe("WaitingLine", () => {
  it("returns batches in the producer's order, whatever the order of arrival", () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 40 });
    const arrivals = numbers.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(arrivals, ([announced, arrived]) => {
        const line = new WaitingLine<number>();
        for (const number of announced) line.announce(place(number));
        const out: number[] = [];
        for (const number of arrived) {
          line.arrive(place(number), number);
          out.push(...line.take(all));
        }
        expect(out).toEqual(announced.toSorted((a, b) => a - b));
      }),
    );
  });

  it("inserts a batch that was not announced at its position", () => {
    const line = new WaitingLine<number>();
    for (const number of [3, 1, 2]) line.arrive(place(number), number);
    expect(line.take(all)).toEqual([1, 2, 3]);
  });

  it("waits for an announced batch, and continues when it is dropped", () => {
    const line = new WaitingLine<number>();
    line.announce(place(1));
    line.arrive(place(2), 2);
    expect(line.take(all)).toEqual([]);
    line.drop(place(1));
    expect(line.take(all)).toEqual([2]);
  });

  it("returns the parts of a batch in the order of its messages", () => {
    const line = new WaitingLine<string>();
    for (const part of ["b", "ab", "aa"]) line.arrive(place(1, "a", part), part);
    line.arrive(place(2), "next");
    expect(line.take(all)).toEqual(["aa", "ab", "b", "next"]);
  });

  it("keeps producers separate, each in its own order", () => {
    const line = new WaitingLine<string>();
    line.arrive(place(5, "b"), "b5");
    line.arrive(place(2, "a"), "a2");
    line.arrive(place(1, "a"), "a1");
    line.arrive(place(4, "b"), "b4");
    expect(line.take(all)).toEqual(["b4", "b5", "a1", "a2"]);
  });

  it("takes no more than fits, and keeps the rest", () => {
    const line = new WaitingLine<number>();
    for (const number of [1, 2, 3]) line.arrive(place(number), number);
    expect(line.take((item) => item < 3)).toEqual([1, 2]);
    expect(line.take(all)).toEqual([3]);
  });
});
