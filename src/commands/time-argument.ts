/** A time or a length of time, as a person writes it on the command line. */
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../model/durations.ts";

const LENGTH = /^([1-9][0-9]{0,4})([mhd])$/;
const UNITS: Readonly<Record<string, number>> = { m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };
const DATE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?Z)?$/;

/** `30m`, `12h`, `90d`, as ms; `undefined` for anything else. */
export function lengthOf(text: string): number | undefined {
  const [, count, unit] = LENGTH.exec(text) ?? [];
  return unit === undefined ? undefined : Number(count) * (UNITS[unit] ?? Number.NaN);
}

/** So long from `now` on, or a day or a time in UTC (`2027-01-31`, `2027-01-31T08:00Z`), as Unix ms; `undefined` for anything else. */
export function momentOf(text: string, now: number): number | undefined {
  const length = lengthOf(text);
  if (length !== undefined) return now + length;
  const at = DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}
