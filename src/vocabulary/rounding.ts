/**
 * Rounds to a step without the noise that binary fractions leave: 213 × 0.1 is 21.3, not 21.3000…04. Runs for every number of
 * every message, so it computes with whole numbers and makes no text.
 */
import type { Rounding } from "../model/property.ts";

/** A quotient this little below a whole number is that number: 0.3 / 0.1 is 2.9999999999999996. */
const NOISE = 1e-9;
/** A number smaller than this is 0 to us. Without a bound the step of a very small one would be 0 itself, and the result no number. */
const MOST_DECIMALS = 12;
const FINEST_STEP = 10 ** -MOST_DECIMALS;
/** Beyond it no double holds a power of ten exactly, and dividing by one would bring the noise back. */
const MOST_DIGITS = 22;
const POWERS_OF_TEN = Array.from({ length: MOST_DIGITS + 1 }, (_, power) => Number(`1e${power}`));

/** By step, as (whole number, places): 0.25 is 25 with two places. Steps come from the table and from powers of ten alone, so there are few. */
const places = new Map<number, number>();

/** `undefined` leaves the number as it is. Rounding what was rounded so changes nothing. */
export function rounded(value: number, rounding: Rounding | undefined): number {
  if (rounding === undefined) return value;
  const step = "step" in rounding ? rounding.step : stepFor(value, rounding.digits, rounding.atLeast);
  return multiple(Math.round(value / step), step);
}

/** How many whole steps are in a total. */
export function wholeSteps(total: number, step: number): number {
  return Math.floor(total / step + NOISE);
}

export function multiple(times: number, step: number): number {
  const scale = POWERS_OF_TEN[placesOf(step)] ?? 1;
  // One division of two whole numbers gives the very double that the decimal text stands for. A sum with 0 makes 0 of -0.
  return (times * Math.round(step * scale)) / scale + 0;
}

function stepFor(value: number, digits: number, atLeast: number): number {
  const least = Math.max(atLeast, FINEST_STEP);
  if (value === 0) return least;
  const power = Math.floor(Math.log10(Math.abs(value)) + NOISE) - digits + 1;
  if (power < -MOST_DECIMALS) return least;
  return Math.max(power < 0 ? 1 / (POWERS_OF_TEN[-power] ?? 1) : 10 ** power, least);
}

function placesOf(step: number): number {
  if (Number.isInteger(step)) return 0;
  const known = places.get(step);
  if (known !== undefined) return known;
  let count = 0;
  while (count < MOST_DECIMALS && !isWhole(step * (POWERS_OF_TEN[count] ?? 1))) count += 1;
  places.set(step, count);
  return count;
}

function isWhole(value: number): boolean {
  return Math.round(value) > 0 && Math.abs(value - Math.round(value)) <= NOISE * value;
}
