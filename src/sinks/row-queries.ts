/** Rows of the store, told in the query languages of its generations: InfluxQL (1.x), delete predicates and Flux (2.x). */
import type { Pseudonym } from "../model/ids.ts";
import { ALL_TIME } from "./influx-v2.ts";
import type { CELL_ACTIVITY } from "./line-protocol.ts";
import type { StoredRows } from "./stored-rows.ts";

/** https://docs.influxdata.com/influxdb/v1/query_language/manage-database/#delete-series-with-delete */
export function deleteStatement(rows: StoredRows): string {
  // DELETE would leave the name of the series in the index, and the pseudonym is part of it.
  if (rows.model === undefined && rows.timeNs === undefined) {
    return `DROP SERIES FROM ${name(rows.measurement)} WHERE ${condition(rows)}`;
  }
  return `DELETE FROM ${name(rows.measurement)} WHERE ${condition(rows)}`;
}

/** At most one of the rows; `retentionPolicy` empty for the database's own default. */
export function selectStatement(rows: StoredRows, retentionPolicy: string): string {
  return `SELECT * FROM ${source(rows, retentionPolicy)} WHERE ${condition(rows)} LIMIT 1`;
}

/** For each field how many of the rows have it. */
export function countStatement(rows: StoredRows, retentionPolicy: string): string {
  return `SELECT COUNT(*) FROM ${source(rows, retentionPolicy)} WHERE ${condition(rows)}`;
}

/** Rows of a measurement that are older than a moment. */
export interface OldRows {
  readonly measurement: StoredRows["measurement"] | typeof CELL_ACTIVITY;
  /** Unix ms. */
  readonly beforeMs: number;
  /** Whose rows stay whatever their age. */
  readonly except: readonly Pseudonym[];
}

export function oldDeleteStatement(rows: OldRows): string {
  return `DELETE FROM ${name(rows.measurement)} WHERE ${ageCondition(rows)}`;
}

export function oldCountStatement(rows: OldRows, retentionPolicy: string): string {
  return `SELECT COUNT(*) FROM ${source(rows, retentionPolicy)} WHERE ${ageCondition(rows)}`;
}

/** Pseudonyms are base64url, in which nothing has a meaning for a regular expression. */
function ageCondition({ beforeMs, except }: OldRows): string {
  const age = `time < ${beforeMs}000000`;
  return except.length === 0 ? age : `${age} AND "device" !~ /^(?:${except.join("|")})$/`;
}

/** Rows of several devices in one measurement, oldest first, both ends included. */
export interface RowPage {
  readonly measurement: StoredRows["measurement"];
  readonly devices: readonly Pseudonym[];
  /** Unix ns in decimal. */
  readonly fromNs: string;
  readonly untilNs: string;
  readonly limit: number;
}

/** Name and type of every field of a measurement; a field can have several types, one in each shard. */
export function fieldKeysStatement(measurement: StoredRows["measurement"]): string {
  return `SHOW FIELD KEYS FROM ${name(measurement)}`;
}

/**
 * Of a field with several types the server shows one and leaves the others empty; `conflicting` names them
 * all, and each comes in a column `<field>::<type>` of its own.
 */
export function pageStatement(
  { measurement, devices, fromNs, untilNs, limit }: RowPage,
  retentionPolicy: string,
  conflicting: readonly { readonly field: string; readonly type: string }[] = [],
): string {
  const apart = conflicting.map(({ field, type }) => `, ${name(field)}::${type} AS ${name(`${field}::${type}`)}`);
  const wanted = devices.map((device) => `"device" = ${literal(device)}`).join(" OR ");
  return [
    `SELECT *${apart.join("")} FROM ${source({ measurement }, retentionPolicy)}`,
    `WHERE (${wanted}) AND time >= ${fromNs} AND time <= ${untilNs} ORDER BY time ASC LIMIT ${limit}`,
  ].join(" ");
}

function condition({ device, model, timeNs }: StoredRows): string {
  const conditions = [`"device" = ${literal(device)}`];
  if (model !== undefined) conditions.push(`"model" = ${literal(model)}`);
  if (timeNs !== undefined) conditions.push(`time = ${timeNs}`);
  return conditions.join(" AND ");
}

/** A retention policy is empty for the database's own default. */
function source({ measurement }: Pick<OldRows, "measurement">, retentionPolicy: string): string {
  return retentionPolicy === "" ? name(measurement) : `${name(retentionPolicy)}.${name(measurement)}`;
}

/** Of a database, a retention policy, a measurement or a field. */
export function name(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function literal(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}

/**
 * https://docs.influxdata.com/influxdb/v2/reference/syntax/delete-predicate/
 * It cannot say that a tag is missing: at the exact time of a row, the device alone is as good as exact.
 */
export function deletePredicate({
  measurement,
  device,
  model,
}: Pick<OldRows, "measurement"> & Partial<Pick<StoredRows, "device" | "model">>): string {
  const conditions = [`_measurement=${quoted(measurement)}`];
  if (device !== undefined) conditions.push(`device=${quoted(device)}`);
  if (model) conditions.push(`model=${quoted(model)}`);
  return conditions.join(" AND ");
}

/** Both ends belong to it, so one row's range is its time twice. */
export function timeRange({ timeNs }: StoredRows): { start: string; stop: string } {
  if (timeNs === undefined) return ALL_TIME;
  return { start: rfc3339(timeNs), stop: rfc3339(timeNs) };
}

/** Answers with an empty body when none of the rows is there. */
export function fluxQuery(bucket: string, rows: readonly StoredRows[]): string {
  const wanted = rows.map((row) => `(${fluxCondition(row)})`).join(" or ");
  return [
    ...fluxRows(bucket, ALL_TIME.stop, wanted),
    // Fields of different types would not fit into one answer.
    'keep(columns: ["device"])',
    "limit(n: 1)",
  ].join(" |> ");
}

/** One line for each measurement, device and field, with the number of rows in the column `_time`. */
export function fluxCount(bucket: string, rows: readonly StoredRows[]): string {
  const wanted = rows.map((row) => `(${fluxCondition(row)})`).join(" or ");
  return [...fluxRows(bucket, ALL_TIME.stop, wanted), ...COUNTED_BY_SERIES].join(" |> ");
}

/** One line for each measurement and field; tells no two devices apart beyond what it needs to count. */
export function fluxOldCount(bucket: string, rows: OldRows): string {
  const summed = ['group(columns: ["_measurement", "_field"])', 'sum(column: "_time")'];
  return [...fluxOld(bucket, rows), ...COUNTED_BY_SERIES, ...summed].join(" |> ");
}

/** One line for each device that has such rows. */
export function fluxOldNames(bucket: string, rows: OldRows): string {
  return [...fluxOld(bucket, rows), 'keep(columns: ["device"])', "limit(n: 1)"].join(" |> ");
}

const COUNTED_BY_SERIES = [
  'keep(columns: ["_measurement", "device", "cell", "_field", "_time"])',
  'group(columns: ["_measurement", "device", "cell", "_field"])',
  'count(column: "_time")',
];

function fluxOld(bucket: string, { measurement, beforeMs, except }: OldRows): string[] {
  const spared = except.map((device) => ` and r.device != ${quoted(device)}`).join("");
  return fluxRows(bucket, new Date(beforeMs).toISOString(), `r._measurement == ${quoted(measurement)}${spared}`);
}

function fluxRows(bucket: string, stop: string, condition: string): string[] {
  return [
    `from(bucket: ${quoted(bucket)})`,
    `range(start: ${ALL_TIME.start}, stop: ${stop})`,
    `filter(fn: (r) => ${condition})`,
  ];
}

/** Which of the devices have any row: one line for each. */
export function fluxNames(
  bucket: string,
  measurement: StoredRows["measurement"],
  devices: readonly Pseudonym[],
): string {
  return fluxQuery(
    bucket,
    devices.map((device) => ({ measurement, device })),
  );
}

/**
 * One table for each field and model of one device, since fields of different types would not fit into one;
 * `limit` is that of each table.
 */
export function fluxPage(bucket: string, { measurement, devices, fromNs, untilNs, limit }: RowPage): string {
  const wanted = devices.map((device) => fluxCondition({ measurement, device })).join(") or (");
  return [
    `from(bucket: ${quoted(bucket)})`,
    // The stop does not belong to a range.
    `range(start: ${rfc3339(fromNs)}, stop: ${rfc3339(String(BigInt(untilNs) + 1n))})`,
    `filter(fn: (r) => (${wanted}))`,
    'drop(columns: ["_start", "_stop", "_measurement"])',
    'sort(columns: ["_time"])',
    `limit(n: ${limit})`,
  ].join(" |> ");
}

function fluxCondition({ measurement, device, model, timeNs }: StoredRows): string {
  const conditions = [`r._measurement == ${quoted(measurement)}`, `r.device == ${quoted(device)}`];
  if (model) conditions.push(`r.model == ${quoted(model)}`);
  if (timeNs !== undefined) conditions.push(`r._time == ${rfc3339(timeNs)}`);
  return conditions.join(" and ");
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&").replaceAll("${", "\\${")}"`;
}

function rfc3339(timeNs: string): string {
  const digits = timeNs.padStart(7, "0");
  const iso = new Date(Number(digits.slice(0, -6))).toISOString();
  return `${iso.slice(0, -1)}${digits.slice(-6)}Z`;
}
