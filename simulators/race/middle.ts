/**
 * Numbers whose median says whose it is. A crowd tells no message, only the value in its middle, or the mean of the two there; no two pairs of
 * these numbers have the same mean, so both are found again. Values can be put in the middle: those that should not be there most of all.
 */

/** Prime, and more than the messages of any race. */
const P = 1_000_003;
export const MOST_NUMBERS = P;
/** More than two numbers without their side add up to. */
const SIDE = 5e12;
/** Of a property that holds such values. */
export const MIDDLE_RANGE = `0..${6 * SIDE}`;

export type Side = "low" | "middle" | "high";

const SIDES: Readonly<Record<Side, number>> = { low: 0, middle: 1, high: 2 };

/** The value of message `n`; twice a number, so that the mean of two is a whole one. */
export function middleValue(n: number, side: Side): number {
  return 2 * (SIDES[side] * SIDE + apart(n));
}

/** The two messages in the middle, the same one twice where there is one; `undefined` when the value is no median of such values. */
export function numbersInMiddle(median: number): readonly [number, number] | undefined {
  if (!Number.isSafeInteger(median) || median < 0) return undefined;
  const both = median % SIDE;
  const sum = Math.floor(both / (2 * P));
  const squares = both % (2 * P);
  for (let a = Math.max(0, sum - P + 1); a <= sum / 2; a += 1) {
    if (square(a) + square(sum - a) === squares) return [a, sum - a];
  }
  return undefined;
}

/** No two sums of two are equal: a sum, and a sum of squares, have one pair of roots only (Erdős and Turán, 1941). */
function apart(n: number): number {
  return 2 * P * n + square(n);
}

function square(n: number): number {
  return (n * n) % P;
}
