/** The best one-to-one assignment of two sets by a score for each pair. */
import { munkres } from "munkres";
import type { Random } from "../../simulators/random.ts";

/**
 * For each of the left the index of its partner on the right, -1 for one that has none. Which of several equally good
 * assignments it is, is drawn: the order in which the two sets are given must tell nothing.
 */
export function assign(
  left: number,
  right: number,
  score: (left: number, right: number) => number,
  random: Random,
): number[] {
  const partners = new Array<number>(left).fill(-1);
  if (left === 0 || right === 0) return partners;
  const rows = shuffledIndexes(left, random);
  const columns = shuffledIndexes(right, random);
  const costs = rows.map((row) => Float64Array.from(columns, (column) => -score(row, column)));
  for (const [row, column] of munkres(costs)) partners[rows[row] ?? 0] = columns[column] ?? -1;
  return partners;
}

function shuffledIndexes(count: number, random: Random): number[] {
  const indexes = Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index -= 1) {
    const other = random.int(index + 1);
    [indexes[index], indexes[other]] = [indexes[other] as number, indexes[index] as number];
  }
  return indexes;
}
