/** What a name's rows say about it: values, habits by hour of day, how often it speaks. */
import type { ArrivedRow } from "../recording/view.ts";

export type FeatureClass = "values" | "habits" | "intervals";

export interface Portrait {
  /** What it was like towards the end, and at the beginning; most features are the same in both. */
  readonly last: ReadonlyMap<string, number>;
  readonly first: ReadonlyMap<string, number>;
}

const HOURS = 24;
const HOUR_MS = 3_600_000;

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
      const sum = numbers.reduce((total, value) => total + value, 0);
      const features: [string, number][] = [
        ["low", quantile(ordered, 0.1)],
        ["median", quantile(ordered, 0.5)],
        ["high", quantile(ordered, 0.9)],
        ["mean", sum / numbers.length],
      ];
      for (const [name, value] of features)
        for (const side of [first, last]) side.set(`values ${field} ${name}`, value);
      // A counter, or a battery, goes on where it was.
      first.set(`values ${field} edge`, numbers[0] ?? 0);
      last.set(`values ${field} edge`, numbers.at(-1) ?? 0);
    }
    for (const [word, share] of shares(values.filter((value) => typeof value !== "number"))) {
      for (const side of [first, last]) side.set(`values ${field}=${word}`, share);
    }
    for (const side of [first, last]) side.set(`intervals ${field} rows`, Math.log(values.length));
  }
  return { first, last };
}

export function classOf(feature: string): FeatureClass {
  if (feature.startsWith("values")) return "values";
  return feature.startsWith("habits") ? "habits" : "intervals";
}

/** The property that a feature is of; `undefined` for habits and intervals. */
export function propertyOf(feature: string): string | undefined {
  return feature.startsWith("values ") ? /^values ([^ =]+)/.exec(feature)?.[1] : undefined;
}

function habits(rows: readonly ArrivedRow[], into: Map<string, number>): void {
  const hours = new Array<number>(HOURS).fill(0);
  for (const { time } of rows)
    hours[Math.floor(time / HOUR_MS) % HOURS] = (hours[Math.floor(time / HOUR_MS) % HOURS] ?? 0) + 1;
  // Square roots: their spread is the same for few and for many.
  for (const [hour, count] of hours.entries()) into.set(`habits hour ${hour}`, Math.sqrt(count / rows.length));
  const gaps = rows.slice(1).map(({ time }, index) => time - (rows[index]?.time ?? time));
  const ordered = gaps.toSorted((left, right) => left - right);
  if (ordered.length > 0) {
    for (const at of [0.5, 0.75, 0.9]) into.set(`intervals gap ${at}`, Math.log(1 + quantile(ordered, at)));
  }
  into.set("intervals rows", Math.log(rows.length));
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

function quantile(ordered: readonly number[], at: number): number {
  return ordered[Math.floor(at * (ordered.length - 1))] ?? 0;
}
