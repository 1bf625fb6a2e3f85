/** Rows of the store, told in the query languages of its generations: InfluxQL (1.x), delete predicates and Flux (2.x). */
import type { StoredRows } from "./stored-rows.ts";

/** Whatever an RFC 3339 time of the store can be. */
const ALL_TIME = { start: "1970-01-01T00:00:00Z", stop: "2262-04-11T23:47:16Z" };

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
  const policy = retentionPolicy === "" ? "" : `${name(retentionPolicy)}.`;
  return `SELECT * FROM ${policy}${name(rows.measurement)} WHERE ${condition(rows)} LIMIT 1`;
}

/** For each field how many of the rows have it. */
export function countStatement(rows: StoredRows, retentionPolicy: string): string {
  const policy = retentionPolicy === "" ? "" : `${name(retentionPolicy)}.`;
  return `SELECT COUNT(*) FROM ${policy}${name(rows.measurement)} WHERE ${condition(rows)}`;
}

function condition({ device, model, timeNs }: StoredRows): string {
  const conditions = [`"device" = ${literal(device)}`];
  if (model !== undefined) conditions.push(`"model" = ${literal(model)}`);
  if (timeNs !== undefined) conditions.push(`time = ${timeNs}`);
  return conditions.join(" AND ");
}

function name(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function literal(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}

/**
 * https://docs.influxdata.com/influxdb/v2/reference/syntax/delete-predicate/
 * It cannot say that a tag is missing: at the exact time of a row, the device alone is as good as exact.
 */
export function deletePredicate({ measurement, device, model }: StoredRows): string {
  const conditions = [`_measurement=${quoted(measurement)}`, `device=${quoted(device)}`];
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
  return [
    `from(bucket: ${quoted(bucket)})`,
    `range(start: ${ALL_TIME.start}, stop: ${ALL_TIME.stop})`,
    `filter(fn: (r) => ${rows.map((row) => `(${fluxCondition(row)})`).join(" or ")})`,
    // Fields of different types would not fit into one answer.
    'keep(columns: ["device"])',
    "limit(n: 1)",
  ].join(" |> ");
}

/** One line for each measurement, device and field, with the number of rows in the column `_time`. */
export function fluxCount(bucket: string, rows: readonly StoredRows[]): string {
  return [
    `from(bucket: ${quoted(bucket)})`,
    `range(start: ${ALL_TIME.start}, stop: ${ALL_TIME.stop})`,
    `filter(fn: (r) => ${rows.map((row) => `(${fluxCondition(row)})`).join(" or ")})`,
    'keep(columns: ["_measurement", "device", "_field", "_time"])',
    'group(columns: ["_measurement", "device", "_field"])',
    'count(column: "_time")',
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
  const iso = new Date(Number(timeNs.slice(0, -6))).toISOString();
  return `${iso.slice(0, -1)}${timeNs.slice(-6)}Z`;
}
