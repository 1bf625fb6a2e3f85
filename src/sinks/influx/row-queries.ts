/** Rows of the store, told in the query languages of its generations: InfluxQL (1.x), delete predicates and Flux (2.x). */
import type { Pseudonym } from "../../model/ids.ts";
import { ALL_TIME } from "./flux.ts";
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

/**
 * At most one of the rows; `retentionPolicy` empty for the database's own default. With `fields` only a row that has one
 * of them: a wildcard costs as much as all fields that anybody ever sent.
 */
export function selectStatement(rows: StoredRows, retentionPolicy: string, fields?: readonly string[]): string {
  const wanted = fields === undefined ? "*" : fields.map(name).join(", ");
  return `SELECT ${wanted} FROM ${source(rows, retentionPolicy)} WHERE ${condition(rows)} LIMIT 1`;
}

/** Of whom there is anything in these measurements: asks the index, which knows no fields. InfluxDB 1. */
export function seriesStatement(measurements: readonly Measurement[], devices: readonly Pseudonym[]): string {
  return `SHOW SERIES FROM ${measurements.map(name).join(", ")} WHERE ${anyOf(devices)}`;
}

/** Everything of these devices, their names in the index included. InfluxDB 1. */
export function dropStatement(measurements: readonly Measurement[], devices: readonly Pseudonym[]): string {
  return `DROP SERIES FROM ${measurements.map(name).join(", ")} WHERE ${anyOf(devices)}`;
}

/** A field, and the type it is meant in where it has several. */
export interface FieldOfType {
  readonly field: string;
  readonly type?: string;
}

/** For each field how many rows of each device have it. */
export function countStatement(
  measurement: Measurement,
  fields: readonly FieldOfType[],
  devices: readonly Pseudonym[],
  retentionPolicy: string,
): string {
  const counts = fields.map((one) => `COUNT(${typed(one)})`).join(", ");
  return `SELECT ${counts} FROM ${source({ measurement }, retentionPolicy)} WHERE ${anyOf(devices)} GROUP BY "device"`;
}

/** For each field how many rows of these devices together have it. */
export function fieldCountStatement(
  measurement: Measurement,
  fields: readonly FieldOfType[],
  devices: readonly Pseudonym[],
  retentionPolicy: string,
): string {
  const counts = fields.map((one) => `COUNT(${typed(one)})`).join(", ");
  return `SELECT ${counts} FROM ${source({ measurement }, retentionPolicy)} WHERE ${anyOf(devices)}`;
}

/** Whether these devices have any of these fields. */
export function anyFieldStatement(
  measurement: Measurement,
  fields: readonly FieldOfType[],
  devices: readonly Pseudonym[],
  retentionPolicy: string,
): string {
  const wanted = fields.map(typed).join(", ");
  return `SELECT ${wanted} FROM ${source({ measurement }, retentionPolicy)} WHERE ${anyOf(devices)} LIMIT 1`;
}

type Measurement = StoredRows["measurement"];

function anyOf(devices: readonly Pseudonym[]): string {
  return devices.map((device) => `"device" = ${literal(device)}`).join(" OR ");
}

function typed({ field, type }: FieldOfType): string {
  return type === undefined ? name(field) : `${name(field)}::${type}`;
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

export function oldCountStatement(rows: OldRows, fields: readonly FieldOfType[], retentionPolicy: string): string {
  const counts = fields.map((one) => `COUNT(${typed(one)})`).join(", ");
  return `SELECT ${counts} FROM ${source(rows, retentionPolicy)} WHERE ${ageCondition(rows)}`;
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

/** Names and types of fields of a measurement, by name; a field can have several types, one in each shard. */
export function fieldKeysStatement(measurement: OldRows["measurement"], limit: number, offset: number): string {
  return `SHOW FIELD KEYS FROM ${name(measurement)} LIMIT ${limit} OFFSET ${offset}`;
}

/**
 * The fields are named one by one: a wildcard would name those of everybody. One that has several types comes in a
 * column `<field>::<type>` for each.
 */
export function pageStatement(
  { measurement, devices, fromNs, untilNs, limit }: RowPage,
  retentionPolicy: string,
  fields: readonly FieldOfType[],
): string {
  const columns = fields.map((one) =>
    one.type === undefined ? typed(one) : `${typed(one)} AS ${name(`${one.field}::${one.type}`)}`,
  );
  return [
    `SELECT "device", "model", ${columns.join(", ")} FROM ${source({ measurement }, retentionPolicy)}`,
    `WHERE (${anyOf(devices)}) AND time >= ${fromNs} AND time <= ${untilNs} ORDER BY time ASC LIMIT ${limit}`,
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

/** A stretch of time of one measurement, Unix ns, both ends included. */
export interface TimeSlice {
  readonly measurement: OldRows["measurement"];
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

/** One line with the time of the first row before a moment; none when there is no such row. */
export function fluxOldest(
  bucket: string,
  { measurement, beforeMs }: Pick<OldRows, "measurement" | "beforeMs">,
): string {
  return [
    ...fluxRows(bucket, new Date(beforeMs).toISOString(), `r._measurement == ${quoted(measurement)}`),
    "first()",
    // Fields of different types would not fit into one answer.
    'keep(columns: ["_time"])',
    "group()",
    'sort(columns: ["_time"])',
    "limit(n: 1)",
  ].join(" |> ");
}

/** Which of these devices have rows in the slice: one line for each. */
export function fluxAmong(bucket: string, slice: TimeSlice, devices: readonly Pseudonym[]): string {
  return [...fluxSlice(bucket, slice, devices), 'keep(columns: ["device"])', "limit(n: 1)"].join(" |> ");
}

/** When these devices have rows in the slice: at most so many moments, each once, in order. */
export function fluxMoments(bucket: string, slice: TimeSlice, devices: readonly Pseudonym[], limit: number): string {
  const moments = ['keep(columns: ["_time"])', "group()", 'unique(column: "_time")', 'sort(columns: ["_time"])'];
  return [...fluxSlice(bucket, slice, devices), ...moments, `limit(n: ${limit})`].join(" |> ");
}

/** At most so many of the devices that have rows in the slice. */
export function fluxSliceNames(bucket: string, slice: TimeSlice, limit: number): string {
  const names = ['keep(columns: ["device"])', "limit(n: 1)", "group()"];
  return [...fluxSlice(bucket, slice, []), ...names, `limit(n: ${limit})`].join(" |> ");
}

/** Both ends as a deletion takes them: they belong to it. */
export function deletionRange({ fromNs, toNs }: Pick<TimeSlice, "fromNs" | "toNs">): { start: string; stop: string } {
  return { start: rfc3339(String(fromNs)), stop: rfc3339(String(toNs)) };
}

function fluxSlice(bucket: string, { measurement, fromNs, toNs }: TimeSlice, devices: readonly Pseudonym[]): string[] {
  const among = devices.map((device) => `r.device == ${quoted(device)}`).join(" or ");
  return [
    `from(bucket: ${quoted(bucket)})`,
    // The stop does not belong to a range.
    `range(start: ${rfc3339(String(fromNs))}, stop: ${rfc3339(String(toNs + 1n))})`,
    `filter(fn: (r) => r._measurement == ${quoted(measurement)}${among === "" ? "" : ` and (${among})`})`,
  ];
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
export function fluxNames(bucket: string, measurement: Measurement, devices: readonly Pseudonym[]): string {
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
