/** Wilson's score interval for a share: https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval */

/** Standard deviations of 95 %. */
const Z = 1.96;
/** What chance alone does not do in fourteen attacks. */
export const SURELY = 1 / 2_000;

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

/** How probable so many hits or more are where each trial is one with the probability `share`: the tail of the binomial distribution. */
export function atLeast(hits: number, trials: number, share: number): number {
  if (hits <= 0 || share >= 1) return 1;
  if (share <= 0) return 0;
  let logOfOne = trials * Math.log1p(-share);
  let sum = 0;
  for (let count = 1; count <= trials; count += 1) {
    logOfOne += Math.log((trials - count + 1) / count) + Math.log(share) - Math.log1p(-share);
    if (count >= hits) sum += Math.exp(logOfOne);
  }
  return Math.min(1, sum);
}
