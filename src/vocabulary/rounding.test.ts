/** A rounded number is a multiple of its step to the last digit, and nothing finer can be read out of it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Property, Rounding } from "../model/property.ts";
import { multiple, rounded, wholeSteps } from "./rounding.ts";
import { propertyOf } from "./row.ts";
import { TABLE } from "./table.ts";

const PROPERTIES: readonly Property[] = TABLE.map((row) => propertyOf(row));
const MEASURED = PROPERTIES.filter(({ step }) => step !== undefined);
const ROUNDINGS = MEASURED.flatMap(({ name, step, sceneStep, weatherStep }) =>
  [step, sceneStep, weatherStep].flatMap((one): [string, Rounding][] => (one === undefined ? [] : [[name, one]])),
);

/** Values a device may send: anything in the range, and what lies close to a border between two steps. */
function anyValue({ min, max, step }: Property): fc.Arbitrary<number> {
  const width = step !== undefined && "step" in step ? step.step : 1;
  const border = fc
    .tuple(fc.integer({ min: Math.ceil(min / width), max: Math.floor(max / width) }), fc.constantFrom(-1e-9, 0, 1e-9))
    .map(([times, off]) => Math.min(max, Math.max(min, (times + 0.5) * width + off)));
  return fc.oneof(fc.double({ min, max, noNaN: true }), border);
}
const measured = fc.constantFrom(...MEASURED).chain((property) => fc.tuple(fc.constant(property), anyValue(property)));

/** Decimal text without an exponent, as a person would write it. */
function decimalsIn(value: number): number {
  const [, fraction = "", exponent = "0"] = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  return Math.max(0, fraction.length - Number(exponent));
}

describe("rounded", () => {
  it.each<[number, Rounding, number]>([
    [21.24, { step: 0.1 }, 21.2],
    [21.349, { step: 0.1 }, 21.3],
    [0.30000000000000004, { step: 0.1 }, 0.3],
    [1013.6, { step: 1 }, 1014],
    [-0.2, { step: 0.5 }, 0],
    [0.6, { step: 0.2 }, 0.6],
    [0.1 + 0.2, { step: 0.02 }, 0.3],
    [237, { step: 10 }, 240],
    [1234, { digits: 2, atLeast: 0 }, 1200],
    [99.6, { digits: 2, atLeast: 0 }, 100],
    [0.0123456, { digits: 2, atLeast: 0 }, 0.012],
    [1000, { digits: 2, atLeast: 0 }, 1000],
    [0, { digits: 2, atLeast: 0 }, 0],
    [2.4, { digits: 2, atLeast: 5 }, 0],
    [87, { digits: 2, atLeast: 5 }, 85],
    [-1287, { digits: 2, atLeast: 5 }, -1300],
    [5e-324, { digits: 2, atLeast: 0 }, 0],
    [-1e-13, { digits: 2, atLeast: 0 }, 0],
    [987654321e6, { digits: 2, atLeast: 0 }, 99e13],
  ])("makes %d to %j %d", (value, rounding, result) => expect(rounded(value, rounding)).toBe(result));

  it("leaves a number without a rounding as it is", () => expect(rounded(21.2345, undefined)).toBe(21.2345));

  it("never makes -0, which would tell on which side of 0 the value was", () => {
    for (const [, rounding] of ROUNDINGS) expect(Object.is(rounded(-1e-13, rounding), 0)).toBe(true);
  });

  it("changes nothing when done again", () => {
    fc.assert(
      fc.property(measured, ([{ step, sceneStep, weatherStep }, value]) => {
        for (const one of [step, sceneStep, weatherStep]) {
          const once = rounded(value, one);
          expect(rounded(once, one)).toBe(once);
        }
      }),
    );
  });

  it("gives a multiple of the step, with no more decimals than the step has", () => {
    fc.assert(
      fc.property(measured, ([{ step: rounding }, value]) => {
        if (rounding === undefined || !("step" in rounding)) return;
        const result = rounded(value, rounding);
        expect(result).toBe(multiple(Math.round(result / rounding.step), rounding.step));
        expect(decimalsIn(result)).toBeLessThanOrEqual(decimalsIn(rounding.step));
      }),
    );
  });

  it("gives no more digits than were asked for", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.double({ min: -1e20, max: 1e20, noNaN: true }),
        (digits, value) => {
          const result = rounded(value, { digits, atLeast: 0 });
          expect(Number.isFinite(result)).toBe(true);
          expect(Number(result.toPrecision(digits))).toBe(result);
        },
      ),
    );
  });

  it("stays within half a step", () => {
    fc.assert(
      fc.property(measured, ([{ step: rounding }, value]) => {
        if (rounding === undefined) return;
        const size = Math.abs(value) || 1;
        const step =
          "step" in rounding ? rounding.step : Math.max(rounding.atLeast, size * 10 ** (1 - rounding.digits));
        expect(Math.abs(rounded(value, rounding) - value)).toBeLessThanOrEqual(step / 2 + size * 1e-12 + 1e-12);
      }),
    );
  });

  it("keeps the order of values", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MEASURED).chain((one) => fc.tuple(fc.constant(one), anyValue(one), anyValue(one))),
        ([{ step }, one, other]) => {
          const [low, high] = one < other ? [one, other] : [other, one];
          expect(rounded(low, step)).toBeLessThanOrEqual(rounded(high, step));
        },
      ),
    );
  });
});

describe("wholeSteps", () => {
  it.each([
    [0.3, 0.1, 3],
    [0.29, 0.1, 2],
    [12.34, 0.01, 1234],
    [0, 0.2, 0],
    [1e9, 0.001, 1e12],
  ])("%d holds %d so many times", (total, step, times) => expect(wholeSteps(total, step)).toBe(times));

  it("loses nothing over any number of differences", () => {
    const totals = fc.array(fc.integer({ min: 0, max: 1e9 }), { minLength: 2, maxLength: 50 });
    fc.assert(
      fc.property(totals, fc.constantFrom(0.001, 0.01, 0.2, 1), (given, step) => {
        const counts = given.toSorted((a, b) => a - b).map((total) => wholeSteps(total / 1000, step));
        const differences = counts.slice(1).map((count, index) => count - (counts[index] ?? 0));
        for (const difference of differences) expect(difference).toBeGreaterThanOrEqual(0);
        expect(differences.reduce((sum, one) => sum + one, 0)).toBe((counts.at(-1) ?? 0) - (counts[0] ?? 0));
      }),
    );
  });
});
