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
  /** Unix ms, for those without a number; absent: nothing in the run makes such rows. */
  readonly unnumberedSince?: number | undefined;
}

/** Reads InfluxDB 1.x. */
export async function readStoredRows(
  influxUrl: string,
  database: string,
  { fromSeq = 0, unnumberedSince }: RowsOfRun,
): Promise<StoredRows> {
  const statuses = await influxRows(influxUrl, database, `SELECT * FROM device_status WHERE seq >= ${fromSeq}`);
  const bySeq = new Map<number, InfluxRow>();
  for (const row of statuses) bySeq.set(Number(row.seq), row);
  const locations = await influxRows(influxUrl, database, "SELECT * FROM device_location");
  return {
    bySeq,
    unnumbered: unnumberedSince === undefined ? [] : await unnumbered(influxUrl, database, unnumberedSince),
    repeated: statuses.length - bySeq.size,
    locationRows: locations.length,
    places: new Map(locations.map((row) => [String(row.device), row])),
  };
}

async function unnumbered(influxUrl: string, database: string, sinceMs: number): Promise<InfluxRow[]> {
  const rows = await influxRows(influxUrl, database, `SELECT * FROM device_status WHERE time >= ${sinceMs}ms`);
  return rows.filter(({ seq }) => seq === null || seq === undefined);
}

/** What a row says, without its time and what it does not have. */
export function rowValues(row: InfluxRow): InfluxRow {
  return Object.fromEntries(Object.entries(row).filter(([name, value]) => name !== "time" && value !== null));
}
