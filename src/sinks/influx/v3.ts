/**
 * InfluxDB 3 Core: writes like a 2.x, InfluxQL at the address of a 1.x with one statement a request, and no deletion of rows.
 * https://docs.influxdata.com/influxdb3/core/write-data/http-api/compatibility-apis/
 * https://docs.influxdata.com/influxdb3/core/query-data/execute-queries/influxdb-v1-api/
 */
import type { Dialect, InfluxOptions } from "./dialect.ts";
import { presentByField, probeByWrite } from "./v2.ts";

export function v3({ database }: InfluxOptions): Dialect {
  const writePath = `/api/v2/write?${new URLSearchParams({ precision: "ns", bucket: database })}`;
  return {
    writePath,
    database,
    retentionPolicy: "",
    statementsPerRequest: 1,
    probe: (store, signal) => probeByWrite(store, writePath, signal),
    rowDelete: async () => "none",
    present: presentByField,
  };
}
