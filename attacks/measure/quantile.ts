/** Of no values 0. */
export function quantile(values: readonly number[], share: number): number {
  return values.toSorted((left, right) => left - right)[Math.floor(share * Math.max(0, values.length - 1))] ?? 0;
}
