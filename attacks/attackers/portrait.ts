/**
 * What a name's rows of an epoch say about it: values, habits by hour of day, intervals. Two portraits are of the same
 * device the more likely, the less they differ by what one device differs from itself, which an attacker sees within an
 * epoch, where the name stays.
 */
import type { ArrivedRow } from "../recording/view.ts";

export type FeatureClass = "values" | "habits";

export interface Portrait {
  /** What it was like towards the end, and at the beginning; most features are the same in both. */
  readonly last: ReadonlyMap<string, number>;
  readonly first: ReadonlyMap<string, number>;
}

const HOURS = 24;
const HOUR_MS = 3_600_000;
const WORST = -8;
const LEAST_SPREAD = 1e-9;
const LEAST_PAIRS = 3;
/** However alike the halves are: two epochs may differ by more. */
const CLOSEST = 1e-6;

export function portraitOf(rows: readonly ArrivedRow[]): Portrait {
  const sorted = [...rows].sort((left, right) => left.time - right.time);
  const all = new Map<string, number>();
  habits(sorted, all);
  const last = new Map(all);
  const first = new Map(all);
  for (const [field, values] of valuesByField(sorted)) {
    const numbers = values.filter((value) => typeof value === "number");
    if (numbers.length > 0) {
      const ordered = numbers.toSorted((left, right) => left - right);
      for (const [name, at] of [
        ["low", 0.1],
        ["median", 0.5],
        ["high", 0.9],
      ] as const) {
        const value = ordered[Math.floor(at * (ordered.length - 1))] ?? 0;
        for (const side of [first, last]) side.set(`values ${field} ${name}`, value);
      }
      // A counter, or a battery, goes on where it was.
      first.set(`values ${field} edge`, numbers[0] ?? 0);
      last.set(`values ${field} edge`, numbers.at(-1) ?? 0);
    }
    for (const [word, share] of shares(values.filter((value) => typeof value !== "number"))) {
      for (const side of [first, last]) side.set(`values ${field}=${word}`, share);
    }
    for (const side of [first, last]) side.set(`values ${field} rows`, Math.log(values.length));
  }
  return { first, last };
}

function classOf(feature: string): FeatureClass {
  return feature.startsWith("values") ? "values" : "habits";
}

function habits(rows: readonly ArrivedRow[], into: Map<string, number>): void {
  const hours = new Array<number>(HOURS).fill(0);
  for (const { time } of rows)
    hours[Math.floor(time / HOUR_MS) % HOURS] = (hours[Math.floor(time / HOUR_MS) % HOURS] ?? 0) + 1;
  // Square roots: their spread is the same for few and for many.
  for (const [hour, count] of hours.entries()) into.set(`habits hour ${hour}`, Math.sqrt(count / rows.length));
  const gaps = rows.slice(1).map(({ time }, index) => time - (rows[index]?.time ?? time));
  const ordered = gaps.toSorted((left, right) => left - right);
  for (const at of [0.5, 0.75, 0.9]) {
    const gap = ordered[Math.floor(at * (ordered.length - 1))];
    if (gap !== undefined) into.set(`habits gap ${at}`, Math.log(1 + gap));
  }
}

function valuesByField(rows: readonly ArrivedRow[]): Map<string, (number | boolean | string)[]> {
  const values = new Map<string, (number | boolean | string)[]>();
  for (const { fields } of rows) {
    for (const [field, value] of Object.entries(fields)) {
      const known = values.get(field);
      if (known === undefined) values.set(field, [value]);
      else known.push(value);
    }
  }
  return values;
}

function shares(values: readonly (boolean | string | number)[]): Map<string, number> {
  const result = new Map<string, number>();
  for (const value of values) result.set(String(value), (result.get(String(value)) ?? 0) + 1 / values.length);
  return result;
}

interface Weight {
  readonly feature: string;
  readonly within: number;
  readonly between: number;
  /** What it is worth that the difference is none. */
  readonly most: number;
}

/** A portrait as numbers in the order of the weights; NaN for what it does not have. */
export interface Sketch {
  readonly last: Float64Array;
  readonly first: Float64Array;
}

/** What a difference in each feature is worth. */
export class Likeness {
  readonly #weights: readonly Weight[];

  /** `halves`: of each name its portraits of the first and of the second half of the epoch. */
  constructor(halves: readonly (readonly [Portrait, Portrait])[]) {
    const features = new Set(halves.flatMap(([one]) => [...one.last.keys()]));
    this.#weights = [...features].flatMap((feature) => weightOf(feature, halves));
  }

  sketch({ last, first }: Portrait): Sketch {
    const drawn = (side: ReadonlyMap<string, number>) =>
      Float64Array.from(this.#weights, ({ feature }) => side.get(feature) ?? Number.NaN);
    return { last: drawn(last), first: drawn(first) };
  }

  /** Log-likelihood that two are of one device, against that they are of two, by the features of these classes. */
  scoring(classes: ReadonlySet<FeatureClass>): (before: Sketch, after: Sketch) => number {
    const used = this.#weights.flatMap((weight, index) =>
      classes.has(classOf(weight.feature)) ? [{ ...weight, index }] : [],
    );
    return ({ last }, { first }) => {
      let sum = 0;
      for (const { index, within, between, most } of used) {
        const left = last[index] ?? Number.NaN;
        const right = first[index] ?? Number.NaN;
        // Also of what only one of them has: NaN is unlike everything, itself included.
        if (!Number.isNaN(left - right)) {
          const squared = (left - right) ** 2;
          sum += Math.max(WORST, squared / (2 * between) - squared / (2 * within) + most);
        } else if (!(Number.isNaN(left) && Number.isNaN(right))) sum -= 1;
      }
      return sum;
    };
  }
}

/** None for what sets no one apart. */
function weightOf(feature: string, halves: readonly (readonly [Portrait, Portrait])[]): Weight[] {
  const pairs = halves.flatMap(([one, other]) => {
    const left = one.last.get(feature);
    const right = other.first.get(feature);
    return left === undefined || right === undefined ? [] : [[left, right] as const];
  });
  if (pairs.length < LEAST_PAIRS) return [];
  const middle = mean(pairs.map(([left]) => left));
  const between = 2 * mean(pairs.map(([left]) => (left - middle) ** 2));
  const within = Math.max(mean(pairs.map(([left, right]) => (left - right) ** 2)), between * CLOSEST);
  if (between <= within || between < LEAST_SPREAD) return [];
  return [{ feature, within, between, most: Math.log(between / within) / 2 }];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
