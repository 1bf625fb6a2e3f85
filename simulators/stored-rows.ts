/** What the store holds of a run, found again by `seq`. */
import { type InfluxRow, influxRows } from "../tools/stack/influx-reader.ts";

export interface StoredRows {
  /** Rows of `device_status` by `seq`, as they stand in the store. */
  readonly bySeq: ReadonlyMap<number, InfluxRow>;
  /** Rows of `device_status` without a `seq`: of devices that speak dialects. */
  readonly unnumbered: readonly InfluxRow[];
  /** Values of `seq` that more than one row has. */
  readonly repeated: number;
  /** Rows of `device_location`, and the current place of each device by its pseudonym. */
  readonly locationRows: number;
  readonly places: ReadonlyMap<string, InfluxRow>;
}

/** Of this run alone. */
export interface RowsOfRun {
  readonly fromSeq?: number;
  /** Rows without a number that were there before, as `unnumberedRows` gave them; absent: nothing in the run makes such rows. */
  readonly unnumberedBefore?: readonly InfluxRow[] | undefined;
}

/** Reads InfluxDB 1.x. */
export async function readStoredRows(
  influxUrl: string,
  database: string,
  { fromSeq = 0, unnumberedBefore }: RowsOfRun,
): Promise<StoredRows> {
  const statuses = await influxRows(influxUrl, database, `SELECT * FROM device_status WHERE seq >= ${fromSeq}`);
  const bySeq = new Map<number, InfluxRow>();
  for (const row of statuses) bySeq.set(Number(row.seq), row);
  const locations = await influxRows(influxUrl, database, "SELECT * FROM device_location");
  return {
    bySeq,
    unnumbered: unnumberedBefore === undefined ? [] : await unnumberedSince(influxUrl, database, unnumberedBefore),
    repeated: statuses.length - bySeq.size,
    locationRows: locations.length,
    places: new Map(locations.map((row) => [String(row.device), row])),
  };
}

/** By their times nothing can be found again: they say no more than six hours. */
export async function unnumberedRows(influxUrl: string, database: string): Promise<InfluxRow[]> {
  const rows = await influxRows(influxUrl, database, "SELECT * FROM device_status");
  return rows.filter(({ seq }) => seq === null || seq === undefined);
}

async function unnumberedSince(
  influxUrl: string,
  database: string,
  before: readonly InfluxRow[],
): Promise<InfluxRow[]> {
  const keyOf = ({ device, time }: InfluxRow) => `${device} ${time}`;
  const known = new Set(before.map(keyOf));
  return (await unnumberedRows(influxUrl, database)).filter((row) => !known.has(keyOf(row)));
}

/** What a row says, without its time and what it does not have. */
export function rowValues(row: InfluxRow): InfluxRow {
  return Object.fromEntries(Object.entries(row).filter(([name, value]) => name !== "time" && value !== null));
}
