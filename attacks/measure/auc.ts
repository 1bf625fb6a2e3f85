/**
 * How well one number tells two classes apart: the chance that a value of one class is greater than one of the other
 * (Mann-Whitney), 0.5 when it tells nothing. The interval is that of Hanley and McNeil (1982).
 */
import type { Interval } from "./interval.ts";

const Z = 1.96;

/** At least 0.5: an attacker turns a test around that is wrong more often than right. */
export function auc(left: readonly number[], right: readonly number[]): { readonly value: number } & Interval {
  const ranked = [...left.map((value) => ({ value, left: true })), ...right.map((value) => ({ value, left: false }))];
  ranked.sort((one, other) => one.value - other.value);
  let rankSum = 0;
  for (let from = 0; from < ranked.length; ) {
    let to = from;
    while (to < ranked.length && ranked[to]?.value === ranked[from]?.value) to += 1;
    const rank = (from + to + 1) / 2;
    for (let index = from; index < to; index += 1) if (ranked[index]?.left === true) rankSum += rank;
    from = to;
  }
  const pairs = left.length * right.length;
  if (pairs === 0) return { value: 0.5, low: 0.5, high: 1 };
  const area = (rankSum - (left.length * (left.length + 1)) / 2) / pairs;
  const value = Math.max(area, 1 - area);
  const variance =
    (value * (1 - value) +
      (left.length - 1) * (value / (2 - value) - value ** 2) +
      (right.length - 1) * ((2 * value ** 2) / (1 + value) - value ** 2)) /
    pairs;
  const half = Z * Math.sqrt(Math.max(0, variance));
  return { value, low: Math.max(0.5, value - half), high: Math.min(1, value + half) };
}
