/** Median and quartiles, and the comparison of two systems by the windows in which they were measured side by side. */

export interface Quartiles {
  readonly median: number;
  readonly p25: number;
  readonly p75: number;
}

export interface RatioSpread extends Quartiles {
  /** Pairs of neighbouring windows. */
  readonly pairs: number;
}

/** The value below which `share` of the values lie, interpolated between the two nearest; NaN of no values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quartiles(values: readonly number[]): Quartiles {
  return { median: median(values), p25: quantile(values, 0.25), p75: quantile(values, 0.75) };
}

/**
 * Each value divided by its neighbour's. Whatever slows the machine for seconds slows both windows of a pair and leaves
 * their ratio alone; dividing two means would keep it.
 */
export function ratioOfPairs(values: readonly number[], neighbours: readonly number[]): RatioSpread {
  if (values.length !== neighbours.length) throw new Error("every window needs a neighbour");
  const ratios = values.map((value, index) => value / (neighbours[index] ?? Number.NaN));
  return { ...quartiles(ratios), pairs: ratios.length };
}
