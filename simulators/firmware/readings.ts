/** Readings of sensors, never in the middle between two steps, where a rounding could go either way. */
import type { Random } from "../random.ts";

/** With two decimals, the last one neither 0 nor 5. */
export function hundredths(random: Random, low: number, high: number): number {
  const tenths = Math.floor(random.between(low * 10, high * 10));
  return (tenths * 10 + 1 + random.int(4) + (random.chance(0.5) ? 5 : 0)) / 100;
}

/** With three decimals, the last one neither 0 nor 5. */
export function thousandths(random: Random, low: number, high: number): number {
  return Math.round(hundredths(random, low * 10, high * 10) * 100) / 1000;
}

export function whole(random: Random, low: number, high: number): number {
  return low + random.int(high - low + 1);
}
