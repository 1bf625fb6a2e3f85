/** What the store holds, read around the gateway: rows under given names, or all of them. */
import { influxRows } from "../../tools/stack/influx-reader.ts";

export interface StatusRow {
  readonly device: string;
  readonly n: number;
  /** Absent when the row has no model. */
  readonly model?: string;
}

export interface LocationRow {
  readonly device: string;
  readonly cell: string;
}

export interface StoredView {
  readonly statuses: readonly StatusRow[];
  readonly locations: readonly LocationRow[];
}

export class StoreView {
  readonly #url: string;
  readonly #database: string;

  /** InfluxDB 1.x. */
  constructor(url: string, database: string) {
    this.#url = url;
    this.#database = database;
  }

  /** Everything under these names; everything there is without them. */
  async read(names?: readonly string[]): Promise<StoredView> {
    if (names?.length === 0) return { statuses: [], locations: [] };
    const where = names === undefined ? "" : ` WHERE ${names.map((name) => `device = '${name}'`).join(" OR ")}`;
    const [statuses, locations] = await Promise.all([
      influxRows(this.#url, this.#database, `SELECT n, model, device FROM device_status${where}`),
      influxRows(this.#url, this.#database, `SELECT cell, device FROM device_location${where}`),
    ]);
    return {
      statuses: statuses.map(({ device, n, model }) => ({
        device: String(device),
        n: Number(n),
        ...(typeof model === "string" && model !== "" && { model }),
      })),
      locations: locations.map(({ device, cell }) => ({ device: String(device), cell: String(cell) })),
    };
  }
}
