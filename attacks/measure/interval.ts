/** Wilson's score interval for a share: https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval */

/** Standard deviations of 95 %. */
const Z = 1.96;
/** One in a thousand: what chance alone does not do in fourteen attacks. */
export const SURELY = 3.29;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export function wilson(hits: number, trials: number, z = Z): Interval {
  if (trials === 0) return { low: 0, high: 1 };
  const share = hits / trials;
  const spread = z ** 2 / trials;
  const middle = (share + spread / 2) / (1 + spread);
  const half = (z / (1 + spread)) * Math.sqrt((share * (1 - share)) / trials + spread / (4 * trials));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
