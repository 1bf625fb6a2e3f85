/**
 * How likely two portraits are of one device. What a device differs by from itself, and two devices from each other, is
 * granted to the attacker, who may own enough devices to know it: features that go together are weighed together, by the
 * covariance of both differences.
 */
import type { FeatureClass, Portrait } from "./portrait.ts";
import { classOf } from "./portrait.ts";

/** By so much less than learned do features go together: few devices make it look more. */
const SHRUNK = 0.2;
const LEAST = 1e-4;
const LEAST_OF_TWO = 1e-3;
/** From fewer no covariance can be learned. */
const LEAST_PAIRS = 8;
const FLAT = 1e-9;
const FARTHEST = 16;

type Vector = Float64Array;
/** Lower triangle of a symmetric positive matrix's root. */
type Root = readonly Vector[];
export const WEIGHINGS = ["apart", "together"] as const;
export type Weighing = (typeof WEIGHINGS)[number];
export type Score = (before: number, after: number) => number;

export interface Portraits {
  readonly before: readonly Portrait[];
  readonly after: readonly Portrait[];
  /** Indexes of those that are of one device. */
  readonly same: readonly (readonly [before: number, after: number])[];
}

/** The log-likelihood of one device against two: each feature by itself, and all together where there is enough to learn from. */
export function likenesses(portraits: Portraits, classes: (feature: string) => boolean): Map<Weighing, Score> {
  const { before, after, same } = portraits;
  const features = featuresOf(portraits).filter(classes);
  const columns = features.flatMap((feature) => column(feature, portraits) ?? []);
  if (columns.length === 0) return new Map([["apart", () => 0]]);
  const left = before.map((_, row) => Float64Array.from(columns, ({ before: values }) => values[row] ?? 0));
  const right = after.map((_, row) => Float64Array.from(columns, ({ after: values }) => values[row] ?? 0));
  const within = same.map(([one, other]) =>
    difference(left[one] ?? new Float64Array(), right[other] ?? new Float64Array()),
  );
  const total = covariance([...left, ...right], 2);
  const scores = new Map<Weighing, Score>([["apart", apart(left, right, within, total)]]);
  if (within.length >= LEAST_PAIRS) scores.set("together", together(left, right, within, total));
  return scores;
}

export function only(classes: readonly FeatureClass[]): (feature: string) => boolean {
  return (feature) => classes.includes(classOf(feature));
}

function featuresOf({ before, after }: Portraits): string[] {
  return [
    ...new Set([...before.flatMap(({ last }) => [...last.keys()]), ...after.flatMap(({ first }) => [...first.keys()])]),
  ];
}

/** In units of its spread; what a portrait does not have lies in the middle. `undefined` when all are alike. */
function column(
  feature: string,
  { before, after }: Portraits,
): { readonly before: number[]; readonly after: number[] } | undefined {
  const left = before.map(({ last }) => last.get(feature));
  const right = after.map(({ first }) => first.get(feature));
  const known = [...left, ...right].filter((value) => value !== undefined);
  const middle = mean(known);
  const spread = Math.sqrt(mean(known.map((value) => (value - middle) ** 2)));
  if (!(spread > FLAT)) return undefined;
  const scaled = (value: number | undefined) => (value === undefined ? 0 : (value - middle) / spread);
  return { before: left.map(scaled), after: right.map(scaled) };
}

/** Each feature by itself. */
function apart(
  left: readonly Vector[],
  right: readonly Vector[],
  within: readonly Vector[],
  total: readonly Vector[],
): Score {
  const weights = Float64Array.from(total, (row, index) => {
    const own = Math.max(mean(within.map((one) => (one[index] ?? 0) ** 2)), LEAST);
    const between = Math.max(row[index] ?? 0, LEAST);
    return between > own ? (1 / own - 1 / between) / 2 : 0;
  });
  return (one, other) => {
    let sum = 0;
    for (const [index, weight] of weights.entries()) {
      const squared = ((left[one]?.[index] ?? 0) - (right[other]?.[index] ?? 0)) ** 2 * weight;
      sum -= Math.min(squared, FARTHEST);
    }
    return sum;
  };
}

/** All features at once. */
function together(
  left: readonly Vector[],
  right: readonly Vector[],
  within: readonly Vector[],
  total: readonly Vector[],
): Score {
  const own = covariance(within, 1, false).map((row, index) =>
    row.map((value, other) => (other === index ? value + LEAST : value * (1 - SHRUNK))),
  );
  const two = total.map((row, index) => row.map((value, other) => (other === index ? value + LEAST_OF_TWO : value)));
  const [rootOfOwn, rootOfTwo] = [rootOf(own), rootOf(two)];
  const [ownLeft, ownRight] = [left.map(by(rootOfOwn)), right.map(by(rootOfOwn))];
  const [twoLeft, twoRight] = [left.map(by(rootOfTwo)), right.map(by(rootOfTwo))];
  return (one, other) => (distance(twoLeft[one], twoRight[other]) - distance(ownLeft[one], ownRight[other])) / 2;
}

function covariance(vectors: readonly Vector[], times: number, centred = true): Vector[] {
  const width = vectors[0]?.length ?? 0;
  const middle = Float64Array.from({ length: width }, (_, index) =>
    centred ? mean(vectors.map((one) => one[index] ?? 0)) : 0,
  );
  const sums = Array.from({ length: width }, () => new Float64Array(width));
  for (const vector of vectors) {
    for (let row = 0; row < width; row += 1) {
      const factor = (vector[row] ?? 0) - (middle[row] ?? 0);
      const into = sums[row] as Vector;
      for (let index = 0; index < width; index += 1) {
        into[index] = (into[index] ?? 0) + factor * ((vector[index] ?? 0) - (middle[index] ?? 0));
      }
    }
  }
  return sums.map((row) => row.map((sum) => (sum * times) / Math.max(1, vectors.length)));
}

/** Cholesky. */
function rootOf(matrix: readonly Vector[]): Root {
  const root = matrix.map(() => new Float64Array(matrix.length));
  for (const [row, into] of root.entries()) {
    for (let index = 0; index <= row; index += 1) {
      let rest = matrix[row]?.[index] ?? 0;
      for (let before = 0; before < index; before += 1) rest -= (into[before] ?? 0) * (root[index]?.[before] ?? 0);
      into[index] = index === row ? Math.sqrt(Math.max(rest, FLAT)) : rest / (root[index]?.[index] ?? 1);
    }
  }
  return root;
}

function by(root: Root): (vector: Vector) => Vector {
  return (vector) => {
    const solved = new Float64Array(vector.length);
    for (const [row, factors] of root.entries()) {
      let rest = vector[row] ?? 0;
      for (let index = 0; index < row; index += 1) rest -= (factors[index] ?? 0) * (solved[index] ?? 0);
      solved[row] = rest / (factors[row] ?? 1);
    }
    return solved;
  };
}

function difference(one: Vector, other: Vector): Vector {
  return one.map((value, index) => value - (other[index] ?? 0));
}

function distance(one: Vector | undefined, other: Vector | undefined): number {
  let sum = 0;
  if (one === undefined || other === undefined) return sum;
  for (let index = 0; index < one.length; index += 1) sum += ((one[index] ?? 0) - (other[index] ?? 0)) ** 2;
  return sum;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
