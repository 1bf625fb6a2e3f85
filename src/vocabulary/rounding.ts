/**
 * Rounds to a step without the noise that binary fractions leave: 213 × 0.1 is 21.3, not 21.3000…04. Runs for every number of
 * every message, so it computes with whole numbers and makes no text.
 */
import type { Classes, Rounding } from "../model/property.ts";

/** A quotient this little below a whole number is that number: 0.3 / 0.1 is 2.9999999999999996. */
const NOISE = 1e-9;
/** A number smaller than this is 0 to us. Without a bound the step of a very small one would be 0 itself, and the result no number. */
const MOST_DECIMALS = 12;
const FINEST_STEP = 10 ** -MOST_DECIMALS;
/** Up to here a double holds a power of ten exactly; dividing by another number would bring the noise back. */
const MOST_DIGITS = 22;
const POWERS_OF_TEN = Array.from({ length: MOST_DIGITS + 1 }, (_, power) => Number(`1e${power}`));

/** Rounds a number; what was rounded so stays as it is. */
export type Round = (value: number) => number;

/** The same as `rounded`, with everything worked out beforehand. `undefined` leaves a number as it is. */
export function roundTo(rounding: Rounding | Classes | undefined): Round {
  if (rounding === undefined) return (value) => value;
  if ("classes" in rounding) return toClass(rounding.classes);
  if ("step" in rounding) return roundToStep(rounding.step);
  const { digits } = rounding;
  const from = Math.max(rounding.atLeast, FINEST_STEP);
  const least = roundToStep(from);
  return (value) => {
    if (Math.abs(value) < from) return least(value);
    const power = Math.floor(Math.log10(Math.abs(value)) + NOISE) - digits + 1;
    const scale = POWERS_OF_TEN[Math.abs(power)] ?? 10 ** Math.abs(power);
    if (power >= 0) return scale > from ? Math.round(value / scale) * scale + 0 : least(value);
    return 1 / scale > from ? Math.round(value * scale) / scale + 0 : least(value);
  };
}

export function rounded(value: number, rounding: Rounding | Classes | undefined): number {
  return roundTo(rounding)(value);
}

/** How many whole steps are in a total. */
export function wholeSteps(total: number, step: number): number {
  return Math.floor(total / step + NOISE);
}

export function multiple(times: number, step: number): number {
  const scale = POWERS_OF_TEN[placesOf(step)] ?? 1;
  return multipleOf(times, Math.round(step * scale), scale);
}

function toClass(classes: readonly number[]): Round {
  const [lowest = 0] = classes;
  return (value) => {
    let reached = lowest;
    for (const from of classes) if (value >= from) reached = from;
    return reached;
  };
}

function roundToStep(step: number): Round {
  const scale = POWERS_OF_TEN[placesOf(step)] ?? 1;
  const whole = Math.round(step * scale);
  return (value) => multipleOf(Math.round(value / step), whole, scale);
}

/** One division of two whole numbers gives the very double that the decimal text stands for. A sum with 0 makes 0 of -0. */
function multipleOf(times: number, whole: number, scale: number): number {
  return (times * whole) / scale + 0;
}

function placesOf(step: number): number {
  let places = 0;
  while (places < MOST_DECIMALS && !isWhole(step * (POWERS_OF_TEN[places] ?? 1))) places += 1;
  return places;
}

function isWhole(value: number): boolean {
  return Math.round(value) > 0 && Math.abs(value - Math.round(value)) <= NOISE * value;
}
