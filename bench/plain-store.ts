/** How a message is stored without a gateway: the InfluxDB client with its buffer, one row as it comes, under the name of its device. */
import { InfluxDB, Point, type WriteApi } from "@influxdata/influxdb-client";

const WRITE_BATCH_LINES = 2000;
const FLUSH_INTERVAL_MS = 200;

let lastNs = 0n;

export function bufferedWrites(
  { influxUrl, database }: { readonly influxUrl: string; readonly database: string },
  on: { failed(error: Error): void; written?(lines: number): void },
): WriteApi {
  const api = new InfluxDB({ url: influxUrl }).getWriteApi("", database, "ns", {
    batchSize: WRITE_BATCH_LINES,
    flushInterval: FLUSH_INTERVAL_MS,
    writeFailed: (error) => on.failed(error),
    writeSuccess: (lines) => on.written?.(lines.length),
  });
  api.path = `/write?db=${database}&precision=ns`;
  return api;
}

export function rowOf(device: string, payload: string): Point {
  const { model, status } = JSON.parse(payload) as { model: string; status: Record<string, number | boolean> };
  const point = new Point("device_status").tag("device", device).tag("model", model).timestamp(nextNs());
  for (const [key, value] of Object.entries(status)) {
    if (typeof value === "number") point.floatField(key, value);
    else point.booleanField(key, value);
  }
  return point;
}

/** Strictly growing, so that no point overwrites another and rows can be counted. */
function nextNs(): string {
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  lastNs = nowNs > lastNs ? nowNs : lastNs + 1n;
  return lastNs.toString();
}
