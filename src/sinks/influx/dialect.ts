/** What differs between the lines of InfluxDB: where lines go, how the server is probed, and how rows are deleted. */
import type { Pseudonym } from "../../model/ids.ts";
import type { Aging, DeviceMeasurement, OldRows, RowDelete } from "../../model/sink.ts";
import type { Connection } from "./connection.ts";
import type { InfluxHttpOptions } from "./http.ts";
import type { RowQueries } from "./row-queries.ts";
import type { RowOfDevice } from "./stored-rows.ts";
import { v1 } from "./v1.ts";
import { v2 } from "./v2.ts";
import { v3 } from "./v3.ts";

export interface InfluxOptions extends Pick<InfluxHttpOptions, "url" | "token" | "username" | "password"> {
  /** The line of the server: InfluxDB 1.x, 2.x or 3.x. */
  readonly api: "v1" | "v2" | "v3";
  /** v1, v3. */
  readonly database: string;
  /** v1; empty for the database's own default. */
  readonly retentionPolicy: string;
  /** v2. */
  readonly org: string;
  readonly bucket: string;
}

export interface Dialect {
  readonly writePath: string;
  /** As `/query` names it. */
  readonly database: string;
  /** Empty for the database's own default. */
  readonly retentionPolicy: string;
  readonly statementsPerRequest: number;
  /** Resolves when the server takes writes from us. Throws SINK_UNAVAILABLE, SINK_DENIED. */
  probe(store: Connection, signal: AbortSignal): Promise<"found" | "created">;
  /** Throws SINK_UNAVAILABLE. */
  rowDelete(store: Connection, signal: AbortSignal): Promise<RowDelete>;
  /** Of which of these devices there are rows; `undefined` when the store does not let us look. */
  present(
    store: Connection,
    queries: RowQueries,
    measurements: readonly DeviceMeasurement[],
    devices: readonly Pseudonym[],
    signal: AbortSignal,
  ): Promise<readonly Pseudonym[] | undefined>;
  /** Absent: rows cannot be deleted. */
  readonly deletion?: Deletion;
}

/** All of it throws SINK_UNAVAILABLE, with `inDoubt` when a deletion may still be at work, or SINK_DENIED. */
export interface Deletion {
  rows(store: Connection, rows: readonly RowOfDevice[], signal: AbortSignal): Promise<void>;
  /** Everything of these devices in these measurements, whatever fields it has. */
  devices(
    store: Connection,
    measurements: readonly DeviceMeasurement[],
    devices: readonly Pseudonym[],
    signal: AbortSignal,
  ): Promise<void>;
  /** Devices that a deletion has to name: all that have rows, and perhaps some that have none. */
  candidates(
    store: Connection,
    measurements: readonly DeviceMeasurement[],
    devices: readonly Pseudonym[],
    signal: AbortSignal,
  ): Promise<readonly Pseudonym[] | undefined>;
  older(store: Connection, queries: RowQueries, rows: OldRows, signal: AbortSignal): Promise<Aging>;
  /** Whether the server says that it is still at work on a deletion. */
  atWork(store: Connection, signal: AbortSignal): Promise<boolean>;
}

const DIALECTS = { v1, v2, v3 } as const;

export function dialectOf(options: InfluxOptions & { readonly createDatabase?: boolean }): Dialect {
  return DIALECTS[options.api](options);
}
