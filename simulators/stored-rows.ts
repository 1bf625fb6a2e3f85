/** What the store holds of a run, found again by `seq`. */
import { type InfluxRow, influxRows } from "../tools/stack/influx-reader.ts";

export interface StoredRows {
  /** Rows of `device_status` by `seq`, as they stand in the store. */
  readonly bySeq: ReadonlyMap<number, InfluxRow>;
  /** Values of `seq` that more than one row has. */
  readonly repeated: number;
  /** Rows of `device_location`, and the current place of each device by its pseudonym. */
  readonly locationRows: number;
  readonly places: ReadonlyMap<string, InfluxRow>;
}

/** Reads InfluxDB 1.x; `fromSeq` leaves out the rows of earlier runs. */
export async function readStoredRows(influxUrl: string, database: string, fromSeq = 0): Promise<StoredRows> {
  const statuses = await influxRows(influxUrl, database, `SELECT * FROM device_status WHERE seq >= ${fromSeq}`);
  const bySeq = new Map<number, InfluxRow>();
  for (const row of statuses) bySeq.set(Number(row.seq), row);
  const locations = await influxRows(influxUrl, database, "SELECT * FROM device_location");
  return {
    bySeq,
    repeated: statuses.length - bySeq.size,
    locationRows: locations.length,
    places: new Map(locations.map((row) => [String(row.device), row])),
  };
}
