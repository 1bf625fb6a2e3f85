/** Rounds to a step without the noise that binary fractions leave: 0.1 × 213 is 21.3, not 21.300000000000004. */
import type { Rounding } from "../model/property.ts";

/** A quotient this little below a whole number is that number: 0.3 / 0.1 is 2.9999999999999996. */
const NOISE = 1e-9;
/** Below this, numbers are printed with an exponent. */
const MOST_DECIMALS = 12;

const decimals = new Map<number, number>();

/** `undefined` leaves the number as it is. */
export function rounded(value: number, rounding: Rounding | undefined): number {
  if (rounding === undefined) return value;
  if ("step" in rounding) return multiple(Math.round(value / rounding.step), rounding.step);
  if (value === 0) return 0;
  const step = 10 ** (Math.floor(Math.log10(Math.abs(value)) + NOISE) - rounding.digits + 1);
  const wide = Math.max(step, rounding.atLeast);
  return multiple(Math.round(value / wide), wide);
}

/** How many whole steps are in a total. */
export function wholeSteps(total: number, step: number): number {
  return Math.floor(total / step + NOISE);
}

export function multiple(times: number, step: number): number {
  const value = times * step;
  // A sum with 0 makes 0 of -0.
  return Number.isInteger(step) ? value + 0 : Number(value.toFixed(decimalsOf(step))) + 0;
}

function decimalsOf(step: number): number {
  const known = decimals.get(step);
  if (known !== undefined) return known;
  let places = 0;
  while (places < MOST_DECIMALS && Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) > NOISE) places += 1;
  // Steps of significant digits are powers of ten, so there are few of them.
  decimals.set(step, places);
  return places;
}
