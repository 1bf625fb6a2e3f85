import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allOf, grantsOf, PURPOSE_NEEDS, PURPOSE_USES, usable, usableByAny } from "./consent.ts";
import { CATEGORIES, type Category, PURPOSES, type Purpose } from "./purposes.ts";

const consent = fc.record(
  Object.fromEntries(PURPOSES.map((purpose) => [purpose, fc.subarray([...CATEGORIES])])) as Record<
    Purpose,
    fc.Arbitrary<Category[]>
  >,
);
const carried = fc.integer({ min: 0, max: 15 });

describe("grants", () => {
  it("give a purpose exactly what was granted, is carried and is of use to it, for all combinations", () => {
    fc.assert(
      fc.property(consent, carried, fc.constantFrom(...PURPOSES), (given, mask, purpose) => {
        const expected =
          CATEGORIES.reduce(
            (bits, category, index) =>
              given[purpose].includes(category) && mask & (1 << index) ? bits | (1 << index) : bits,
            0,
          ) & PURPOSE_USES[purpose];
        expect(usable(grantsOf(given), purpose, mask)).toBe(expected & PURPOSE_NEEDS[purpose] ? expected : 0);
      }),
      { numRuns: 2000 },
    );
  });

  it("of one purpose never open another", () => {
    for (const purpose of PURPOSES) {
      for (const other of PURPOSES) {
        expect(usable(allOf([purpose]), other, 15) !== 0).toBe(purpose === other);
      }
    }
  });

  it("are usable by any purpose exactly when they are usable by one", () => {
    fc.assert(
      fc.property(consent, carried, (given, mask) => {
        const grants = grantsOf(given);
        expect(usableByAny(grants, mask)).toBe(PURPOSES.some((purpose) => usable(grants, purpose, mask) !== 0));
      }),
    );
  });
});
