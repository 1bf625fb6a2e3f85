/** Rows out of what InfluxDB answers, typed as they were written: numbers, booleans and texts under the keys devices use. */
import { linesToTables, stringToLines } from "@influxdata/influxdb-client";
import type { StatusValue } from "../../model/deidentified.ts";
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import { statusKey } from "./line-protocol.ts";

export interface StoredRow {
  readonly device: Pseudonym;
  /** Unix ns in decimal. */
  readonly timeNs: string;
  readonly model?: string;
  readonly fields: Readonly<Record<string, StatusValue>>;
}

/** One value of one row, as a table of InfluxDB 2 has it. */
interface StoredValue extends Pick<StoredRow, "device" | "timeNs" | "model"> {
  /** Number of the table it stands in. */
  readonly table: number;
  readonly field: string;
  readonly value: StatusValue;
}

/** Every row has these beside its fields. */
export const COLUMNS_OF_A_ROW: ReadonlySet<string> = new Set(["time", "device", "model"]);
const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

/** Unix ns in decimal. Throws SINK_DENIED for anything that is no time of ours. */
function nanosecondsOf(time: unknown): string {
  const [, seconds, fraction = ""] = RFC3339.exec(String(time)) ?? [];
  if (seconds === undefined) throw new GatewayError("SINK_DENIED", "a row without a time");
  return String(BigInt(Date.parse(`${seconds}Z`) / 1000) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0")));
}

/**
 * `series`: that of one statement of `pageStatement`. `partial`: the server itself left rows off.
 * Throws SINK_DENIED for what is no such answer.
 */
export function rowsByInfluxQl(series: unknown): { readonly rows: StoredRow[]; readonly partial: boolean } {
  if (series === undefined) return { rows: [], partial: false };
  const rows: StoredRow[] = [];
  let partial = false;
  for (const one of series as readonly InfluxQlSeries[]) {
    // Servers that imitate this one may answer something else altogether.
    if (!one.columns?.includes("time") || !one.columns.includes("device")) {
      throw new GatewayError("SINK_DENIED", "rows without a time or a device");
    }
    partial ||= one.partial === true;
    for (const values of one.values ?? []) rows.push(rowOf(one.columns, values));
  }
  return { rows, partial };
}

interface InfluxQlSeries {
  readonly columns?: readonly string[];
  readonly values?: readonly (readonly unknown[])[];
  readonly partial?: boolean;
}

function rowOf(columns: readonly string[], values: readonly unknown[]): StoredRow {
  let timeNs = "";
  let device = "";
  let model: string | undefined;
  const fields: Record<string, StatusValue> = {};
  for (const [index, column] of columns.entries()) {
    const value = values[index];
    if (column === "time") timeNs = nanosecondsOf(value);
    else if (column === "device") device = String(value);
    else if (column === "model") model = typeof value === "string" && value !== "" ? value : undefined;
    else if (isStatusValue(value)) fields[statusKey(column.split("::")[0] ?? column)] = value;
  }
  return { device: device as Pseudonym, timeNs, ...(model !== undefined && { model }), fields };
}

/** Name and type of each field in the answer to `fieldKeysStatement`. */
export function fieldKeysOf(series: unknown): [field: string, type: string][] {
  return ((series ?? []) as readonly InfluxQlSeries[]).flatMap(({ columns, values }) => {
    // Servers that imitate this one may answer something else altogether.
    if (columns?.[0] !== "fieldKey") throw new GatewayError("SINK_DENIED", "fields without a name");
    return (values ?? []).map(([field, type]): [string, string] => [String(field), String(type)]);
  });
}

/** Fields that have more than one type, each with each of them. */
export function conflictingFields(
  keys: readonly (readonly [field: string, type: string])[],
): { readonly field: string; readonly type: string }[] {
  const types = new Map<string, Set<string>>();
  for (const [field, type] of keys) types.set(field, (types.get(field) ?? new Set()).add(type));
  return [...types].filter(([, of]) => of.size > 1).flatMap(([field, of]) => [...of].map((type) => ({ field, type })));
}

/**
 * The devices in the answer to `seriesStatement`, whose keys are `measurement,tag=value,…` with escapes. Throws SINK_DENIED
 * for what is no such answer.
 */
export function devicesBySeries(series: unknown): Pseudonym[] {
  const devices = new Set<string>();
  for (const { columns, values } of (series ?? []) as readonly InfluxQlSeries[]) {
    if (columns?.[0] !== "key") throw new GatewayError("SINK_DENIED", "series without a key");
    for (const [key] of values ?? []) {
      const device = /(?:^|[^\\]),device=((?:\\.|[^,\\])*)/.exec(String(key))?.[1];
      if (device !== undefined) devices.add(device.replace(/\\([,= ])/g, "$1"));
    }
  }
  return [...devices] as Pseudonym[];
}

/**
 * Rows of a `fluxPage`, oldest first. Each of its tables has the limit to itself: what is known of all of them
 * ends where the first one was cut off, and there the next page begins. Throws SINK_UNAVAILABLE when the server
 * broke off in the middle of it.
 */
export function rowsByFlux(
  csv: string,
  limit: number,
): { readonly rows: StoredRow[]; readonly cutAtNs: string | undefined } {
  const values = valuesByFlux(csv);
  const cutAt = earliestCut(values, limit);
  const rows = joined(cutAt === undefined ? values : values.filter(({ timeNs }) => BigInt(timeNs) <= cutAt));
  return { rows, cutAtNs: cutAt?.toString() };
}

function valuesByFlux(csv: string): StoredValue[] {
  const values: StoredValue[] = [];
  forEachRecord(csv, (cell) => {
    const value = cell("_value");
    const model = cell("model");
    if (!isStatusValue(value)) return;
    values.push({
      table: Number(cell("table")),
      device: String(cell("device")) as Pseudonym,
      timeNs: nanosecondsOf(cell("_time")),
      ...(typeof model === "string" && model !== "" && { model }),
      field: statusKey(String(cell("_field"))),
      value,
    });
  });
  return values;
}

/** The devices in the answer to `fluxNames`. Throws as `rowsByFlux`. */
export function devicesByFlux(csv: string): Pseudonym[] {
  const devices = new Set<Pseudonym>();
  forEachRecord(csv, (cell) => devices.add(String(cell("device")) as Pseudonym));
  return [...devices];
}

/** Moments in the answer to `fluxOldest` or `fluxMoments`, Unix ns. Throws as `rowsByFlux`. */
export function momentsByFlux(csv: string): bigint[] {
  const moments: bigint[] = [];
  forEachRecord(csv, (cell) => moments.push(BigInt(nanosecondsOf(cell("_time")))));
  return moments;
}

/** When the first of the tables that are full ends; `undefined` when none is full. */
function earliestCut(values: readonly StoredValue[], limit: number): bigint | undefined {
  const tables = new Map<number, { count: number; last: bigint }>();
  for (const { table, timeNs } of values) {
    const known = tables.get(table);
    const at = BigInt(timeNs);
    tables.set(table, {
      count: (known?.count ?? 0) + 1,
      last: known === undefined || at > known.last ? at : known.last,
    });
  }
  const ends = [...tables.values()].filter(({ count }) => count >= limit).map(({ last }) => last);
  return ends.sort((left, right) => (left < right ? -1 : 1))[0];
}

/** Values of one device, model and moment are one row; oldest first. */
function joined(values: readonly StoredValue[]): StoredRow[] {
  const rows = new Map<string, { row: Omit<StoredRow, "fields">; fields: Record<string, StatusValue> }>();
  for (const { table: _, field, value, ...row } of values) {
    const key = `${row.timeNs} ${row.device} ${row.model ?? ""}`;
    const known = rows.get(key) ?? { row, fields: {} };
    known.fields[field] = value;
    rows.set(key, known);
  }
  return [...rows.values()]
    .map(({ row, fields }) => ({ ...row, fields }))
    .sort((left, right) => (BigInt(left.timeNs) < BigInt(right.timeNs) ? -1 : 1));
}

function forEachRecord(csv: string, record: (cell: (column: string) => unknown) => void): void {
  let failed = false;
  stringToLines(
    csv,
    linesToTables({
      next: (row, table) => {
        // A query that fails after its answer began says so in a table of its own.
        failed ||= table.columns.some(({ label }) => label === "error");
        if (failed) return;
        record((column) => {
          const known = table.columns.find(({ label }) => label === column);
          if (known === undefined) return undefined;
          // The client reads an empty text as nothing.
          return known.dataType === "string" ? (row[known.index] ?? "") : known.get(row);
        });
      },
      error: () => {
        failed = true;
      },
      complete: () => undefined,
    }),
  );
  if (failed) throw new GatewayError("SINK_UNAVAILABLE", "query");
}

function isStatusValue(value: unknown): value is StatusValue {
  return typeof value === "number" || typeof value === "boolean" || typeof value === "string";
}
