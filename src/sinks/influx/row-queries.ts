/**
 * What is asked of the store, in InfluxQL, which all three lines of InfluxDB read. Fields are asked for by name: a wildcard
 * costs as much as all fields that anybody ever wrote.
 * https://docs.influxdata.com/influxdb/v1/query_language/spec/
 */
import type { Pseudonym } from "../../model/ids.ts";
import type { DeviceMeasurement, Measurement, OldRows } from "../../model/sink.ts";
import type { FieldNames } from "./fields.ts";
import type { RowOfDevice } from "./stored-rows.ts";

/** Rows of several devices in one measurement, oldest first, both ends included. */
export interface RowPage {
  readonly measurement: DeviceMeasurement;
  readonly devices: readonly Pseudonym[];
  /** Unix ns in decimal. */
  readonly fromNs: string;
  readonly untilNs: string;
  readonly limit: number;
}

/** A stretch of time of one measurement, Unix ns, both ends included. */
export interface TimeSlice {
  readonly measurement: Measurement;
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

/** With the fields that are known at that moment. Throws REDIS_UNAVAILABLE. */
export type QueriesNow = () => Promise<RowQueries>;

export class RowQueries {
  readonly #fields: FieldNames;
  readonly #retentionPolicy: string;

  /** `retentionPolicy` is empty for the database's own default. */
  constructor(fields: FieldNames, retentionPolicy: string) {
    this.#fields = fields;
    this.#retentionPolicy = retentionPolicy;
  }

  /** The same, by these fields as well. */
  alsoBy(more: readonly string[]): RowQueries {
    const of = (measurement: Measurement) => [...new Set([...this.#fields.of(measurement), ...more])];
    return new RowQueries({ of }, this.#retentionPolicy);
  }

  /** The row itself, if it is there. */
  row(row: RowOfDevice): string {
    const fields = [...row.fields].map(name).join(", ");
    return `SELECT ${fields} FROM ${this.#source(row.measurement)} WHERE ${ofRow(row)} LIMIT 1`;
  }

  /** At most one row of each device. A row in which no field of the table stands is not found: a statement names its fields. */
  present(measurement: DeviceMeasurement, devices: readonly Pseudonym[]): string {
    return `${this.#select(measurement)} WHERE ${anyOf(devices)} GROUP BY "device" LIMIT 1`;
  }

  /** For each field how many rows of each device have it. */
  count(measurement: DeviceMeasurement, devices: readonly Pseudonym[]): string {
    return `${this.#counts(measurement)} WHERE ${anyOf(devices)} GROUP BY "device"`;
  }

  countOld(rows: OldRows): string {
    return `${this.#counts(rows.measurement)} WHERE ${ofAge(rows)}`;
  }

  page({ measurement, devices, fromNs, untilNs, limit }: RowPage): string {
    const columns = ["device", "model", ...this.#fields.of(measurement)].map(name).join(", ");
    return `SELECT ${columns} FROM ${this.#source(measurement)} WHERE (${anyOf(devices)}) AND time >= ${fromNs} AND time <= ${untilNs} ORDER BY time ASC LIMIT ${limit}`;
  }

  /** Rows that one statement of a page may have so that its answer stays small, however many fields the table has. */
  rowsWithin(values: number, measurement: DeviceMeasurement): number {
    return Math.floor(values / this.#fields.of(measurement).length);
  }

  /** The first row before a moment. */
  oldest({ measurement, beforeMs }: Pick<OldRows, "measurement" | "beforeMs">): string {
    return `${this.#select(measurement)} WHERE time < ${beforeMs}000000 ORDER BY time ASC LIMIT 1`;
  }

  /** At most one row of each device in the slice, found as `present` finds it. */
  presentIn(slice: TimeSlice, devices: readonly Pseudonym[]): string {
    return `${this.#select(slice.measurement)} WHERE (${anyOf(devices)}) AND ${within(slice)} GROUP BY "device" LIMIT 1`;
  }

  /** At most so many rows of these devices in the slice, oldest first. */
  rowsIn(slice: TimeSlice, devices: readonly Pseudonym[], limit: number): string {
    return `${this.#select(slice.measurement)} WHERE (${anyOf(devices)}) AND ${within(slice)} ORDER BY time ASC LIMIT ${limit}`;
  }

  /**
   * One row of each series in the slice, of so many series at most. Grouped by all tags: with fewer SLIMIT counts wrongly
   * (https://github.com/influxdata/influxdb/issues/7571).
   */
  seriesIn(slice: TimeSlice, limit: number): string {
    return `${this.#select(slice.measurement)} WHERE ${within(slice)} GROUP BY "device", "model" LIMIT 1 SLIMIT ${limit}`;
  }

  /** Names of fields that the store itself has, also those that another program wrote; one of two types is named twice. */
  fieldKeys(measurement: Measurement, limit: number): string {
    return `SHOW FIELD KEYS FROM ${this.#source(measurement)} LIMIT ${limit}`;
  }

  #select(measurement: Measurement): string {
    return `SELECT ${this.#fields.of(measurement).map(name).join(", ")} FROM ${this.#source(measurement)}`;
  }

  #counts(measurement: Measurement): string {
    const counts = this.#fields.of(measurement).map((field) => `COUNT(${name(field)})`);
    return `SELECT ${counts.join(", ")} FROM ${this.#source(measurement)}`;
  }

  #source(measurement: Measurement): string {
    return this.#retentionPolicy === "" ? name(measurement) : `${name(this.#retentionPolicy)}.${name(measurement)}`;
  }
}

/** The row of one device at one time. */
export function ofRow({ device, model, timeNs }: RowOfDevice): string {
  const conditions = [`"device" = ${literal(device)}`];
  if (model !== undefined) conditions.push(`"model" = ${literal(model)}`);
  return [...conditions, `time = ${timeNs}`].join(" AND ");
}

export function anyOf(devices: readonly Pseudonym[]): string {
  return devices.map((device) => `"device" = ${literal(device)}`).join(" OR ");
}

/** Pseudonyms are base64url, in which nothing has a meaning for a regular expression. */
export function ofAge({ beforeMs, except }: OldRows): string {
  const age = `time < ${beforeMs}000000`;
  return except.length === 0 ? age : `${age} AND "device" !~ /^(?:${except.join("|")})$/`;
}

/** Of a database, a retention policy, a measurement or a field. */
export function name(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function within({ fromNs, toNs }: TimeSlice): string {
  return `time >= ${fromNs} AND time <= ${toNs}`;
}

function literal(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
