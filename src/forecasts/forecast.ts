/**
 * What a weather service says of the hours to come, read strictly: a key that the format does not name refuses all of it. What devices
 * get is written from what was read, never passed on as it came.
 */
import { isUtf8 } from "node:buffer";
import { z } from "zod";
import {
  CONDITIONS,
  HOUR_NEEDS,
  HOUR_VALUES,
  type HourValue,
  MOST_FORECAST_BYTES,
  MOST_HOURS,
} from "../model/forecast.ts";
import type { CellId } from "../model/ids.ts";
import { readJson } from "../model/json.ts";

export interface Forecast {
  /** Unix ms of issue, and until when it is of use. */
  readonly at: number;
  readonly until: number;
  /** The object without its first brace, so that what devices are told besides can stand in front. */
  readonly rest: string;
}

/** Unix ms. */
const moment = z.int().nonnegative();

const values = Object.fromEntries(
  Object.entries<HourValue>(HOUR_VALUES).map(([name, { min, max }]) => {
    const value = z.number().min(min).max(max);
    return [name, name === HOUR_NEEDS ? value : value.optional()];
  }),
);

const schema = z
  .strictObject({
    at: moment,
    until: moment,
    hours: z
      .array(z.strictObject({ at: moment, ...values, condition: z.enum(CONDITIONS).optional() }))
      .min(1)
      .max(MOST_HOURS),
  })
  .refine(({ at, until }) => until > at);

export function readForecast(payload: Buffer): Forecast | "too-large" | "invalid" {
  if (payload.length > MOST_FORECAST_BYTES) return "too-large";
  const read = schema.safeParse(isUtf8(payload) ? readJson(payload.toString("utf8")) : undefined);
  if (!read.success) return "invalid";
  const { at, until, hours } = read.data;
  return { at, until, rest: JSON.stringify({ at, until, hours }).slice(1) };
}

/** What a device below the cell is told. */
export function noticeOf(cell: CellId, rest: string): string {
  return `{"type":"forecast","cell":"${cell}",${rest}`;
}
