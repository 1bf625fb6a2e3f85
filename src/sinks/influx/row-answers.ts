/** What InfluxDB answers to InfluxQL, told as rows, devices, moments and counts. Throws SINK_DENIED for what is no such answer. */
import type { StatusValue } from "../../model/deidentified.ts";
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { StoredRow } from "../../model/sink.ts";

/** Of one statement. */
export interface QueryResult {
  readonly error?: unknown;
  readonly series?: readonly Series[];
}

interface Series {
  readonly columns?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly values?: readonly (readonly unknown[])[];
  /** The server itself left rows off. */
  readonly partial?: boolean;
}

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

export function rowsOf({ series = [] }: QueryResult): { readonly rows: StoredRow[]; readonly partial: boolean } {
  const rows: StoredRow[] = [];
  for (const { columns, values = [] } of series) {
    // Servers that imitate this one may answer something else altogether.
    if (!columns?.includes("time") || !columns.includes("device")) {
      throw new GatewayError("SINK_DENIED", "rows without a time or a device");
    }
    for (const row of values) rows.push(rowOf(columns, row));
  }
  return { rows, partial: series.some(({ partial }) => partial === true) };
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
    else if (isStatusValue(value)) fields[column] = value;
  }
  return { device: device as Pseudonym, timeNs, ...(model !== undefined && { model }), fields };
}

/** Of an answer that is grouped by device. */
export function devicesOf({ series = [] }: QueryResult): Pseudonym[] {
  const devices = new Set<Pseudonym>();
  for (const { tags } of series) {
    if (tags?.device === undefined) throw new GatewayError("SINK_DENIED", "rows without a device");
    devices.add(tags.device as Pseudonym);
  }
  return [...devices];
}

/** Times of rows, each once, oldest first. */
export function momentsOf({ series = [] }: QueryResult): bigint[] {
  const moments = new Set<string>();
  for (const { columns = [], values = [] } of series) {
    const at = columns.indexOf("time");
    for (const row of values) moments.add(nanosecondsOf(row[at]));
  }
  return [...moments].map(BigInt).sort((left, right) => (left < right ? -1 : 1));
}

/** Of each series the commonest field: one count for each field comes after the time. */
export function countOf({ series = [] }: QueryResult): number {
  return series.reduce((total, { values }) => {
    const counts = (values?.[0] ?? []).slice(1).filter((value) => typeof value === "number");
    return total + Math.max(0, ...counts);
  }, 0);
}

/** Of an answer to `fieldKeys`. */
export function fieldNamesIn({ series = [] }: QueryResult): string[] {
  return series.flatMap(({ values = [] }) => values.map(([key]) => String(key)));
}

/** All cells of an answer, one after the other. */
export function cellsOf({ series = [] }: QueryResult): unknown[] {
  return series.flatMap(({ values = [] }) => values.flat());
}

/** Unix ns in decimal. */
function nanosecondsOf(time: unknown): string {
  const [, seconds, fraction = ""] = RFC3339.exec(String(time)) ?? [];
  if (seconds === undefined) throw new GatewayError("SINK_DENIED", "a row without a time");
  return String(BigInt(Date.parse(`${seconds}Z`) / 1000) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0")));
}

function isStatusValue(value: unknown): value is StatusValue {
  return typeof value === "number" || typeof value === "boolean" || typeof value === "string";
}
