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

/** What a difference in each feature is worth. */
export class Likeness {
  readonly #weights: readonly { readonly feature: string; readonly within: number; readonly between: number }[];

  /** `halves`: of each name its portraits of the first and of the second half of the epoch. */
  constructor(halves: readonly (readonly [Portrait, Portrait])[]) {
    const features = new Set(halves.flatMap(([one]) => [...one.last.keys()]));
    this.#weights = [...features].flatMap((feature) => {
      const pairs = halves.flatMap(([one, other]) => {
        const left = one.last.get(feature);
        const right = other.first.get(feature);
        return left === undefined || right === undefined ? [] : [[left, right] as const];
      });
      if (pairs.length < 3) return [];
      const within = mean(pairs.map(([left, right]) => (left - right) ** 2));
      const middle = mean(pairs.map(([left]) => left));
      const between = 2 * mean(pairs.map(([left]) => (left - middle) ** 2));
      // What sets nobody apart says nothing.
      if (between <= within || between < LEAST_SPREAD) return [];
      return [{ feature, within: Math.max(within, between * 1e-6), between }];
    });
  }

  /** Log-likelihood that two portraits are of one device, against that they are of two. */
  score(before: Portrait, after: Portrait, classes: ReadonlySet<FeatureClass>): number {
    let sum = 0;
    for (const { feature, within, between } of this.#weights) {
      if (!classes.has(classOf(feature))) continue;
      const left = before.last.get(feature);
      const right = after.first.get(feature);
      if (left === undefined && right === undefined) continue;
      if (left === undefined || right === undefined) {
        sum -= 1;
        continue;
      }
      const squared = (left - right) ** 2;
      const worth = squared / (2 * between) - squared / (2 * within) + Math.log(between / within) / 2;
      sum += Math.max(WORST, worth);
    }
    return sum;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
