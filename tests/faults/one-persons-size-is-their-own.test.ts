/** Promise: how many fields one device has makes nobody else's rows slower to read, count, verify or delete. On a real InfluxDB 1. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Pseudonym } from "../../src/model/ids.ts";
import type { PrivateServer } from "../../src/platform/private-server.ts";
import { startInflux } from "../../src/platform/services.ts";
import type { InfluxSink } from "../../src/sinks/influx.ts";
import type { StoredRow } from "../../src/sinks/row-answers.ts";
import { RowReading } from "../../src/sinks/row-reading.ts";
import { RowRetention } from "../../src/sinks/row-retention.ts";
import { AT, located, never, query, quiet, record, sinkFor, temporaryFolder } from "../integration/influx-fixture.ts";

const FIELDS = 100_000;
const FIELDS_PER_ROW = 1_000;
const ROWS = 100;
/** A wildcard takes more than a minute and a hundred megabytes for the same. */
const LONGEST_MS = 30_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let influx: PrivateServer;
let sink: InfluxSink;
let reading: RowReading;
const options = () =>
  ({ url: influx.url, api: "v1", database: "consentry", retentionPolicy: "", org: "", bucket: "" }) as const;
const names = (...devices: string[]) => devices as Pseudonym[];

beforeAll(async () => {
  folder = await temporaryFolder();
  influx = await startInflux({ dir: folder.dir, say: quiet });
  ({ sink } = sinkFor(influx.url, { timeoutMs: 30_000 }));
  await sink.start(never);
  for (const device of ["anna", "ben", "cleo"]) {
    const rows = Array.from({ length: ROWS }, (_, n) =>
      record(device, n, { temperature: n, on: true, note: device, ...(n === 7 && { [`only_${device}`]: 1 }) }),
    );
    await sink.write([...rows, located(device, 1, "8560145bfffffff")], never);
  }
  // Past the gateway, as old rows and other writers are.
  for (let from = 0; from < FIELDS; from += 5 * FIELDS_PER_ROW) {
    const lines = Array.from({ length: 5 }, (_, row) => {
      const first = from + row * FIELDS_PER_ROW;
      const fields = Array.from({ length: FIELDS_PER_ROW }, (_, n) => `field_of_nobody_else_${first + n}=1`);
      return `device_status,device=hostile ${fields.join(",")} ${AT}${String(row).padStart(6, "0")}`;
    });
    await fetch(`${influx.url}/write?db=consentry`, { method: "POST", body: lines.join("\n") });
  }
  reading = new RowReading(options());
  reading.start();
});
afterAll(async () => {
  reading?.stop();
  await sink?.stop();
  await influx?.stop();
  await folder?.remove();
});

async function within<T>(work: Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work;
  expect(performance.now() - begun).toBeLessThan(LONGEST_MS);
  return result;
}

async function read(device: string, measurement: "device_status" | "device_location" = "device_status") {
  const rows: StoredRow[] = [];
  for await (const page of reading.rows(measurement, names(device, "nobody"), `${AT + 1_000}000000`, never))
    rows.push(...page);
  return rows;
}

test("an export of somebody else is as it was, each field of it", async () => {
  await within(reading.check(never));
  const rows = await within(read("anna"));
  expect(rows).toHaveLength(ROWS);
  expect(rows[7]?.fields).toEqual({ temperature: 7, on: true, note: "anna", only_anna: 1 });
  expect(rows.filter(({ fields }) => Object.keys(fields).length === 3)).toHaveLength(ROWS - 1);
  expect(await within(read("anna", "device_location"))).toMatchObject([{ fields: { cell: "8560145bfffffff" } }]);
});

test("an erasure of somebody else counts, deletes and verifies, and leaves the others", async () => {
  expect(await within(sink.countRows(names("ben"), never))).toBe(ROWS + 1);
  expect(await within(sink.removeDevices(names("ben"), never))).toBe("verified");
  expect(await within(sink.countRows(names("ben", "anna"), never))).toBe(ROWS + 1);
  expect(await query(influx.url, "SHOW SERIES FROM device_status")).toHaveLength(3);
});

test("rows whose write was in doubt are taken out one by one", async () => {
  const doubtful = [record("cleo", 1, { temperature: 1 }), record("cleo", 2, { temperature: 2 })];
  expect(await within(sink.remove(doubtful, never))).toBe("verified");
  expect(await within(sink.countRows(names("cleo"), never))).toBe(ROWS - 1);
});

test("retention goes on, with a count that it does not need", async () => {
  const retention = new RowRetention(options());
  retention.start();
  const old = { measurement: "device_status", beforeMs: AT - 60_000, except: names("anna") } as const;
  expect(await within(retention.count(old, never))).toBeUndefined();
  expect(await within(retention.remove(old, never))).toBe("deleted");
  retention.stop();
  expect(await read("anna")).toHaveLength(ROWS);
});

test("whoever has them can be erased like anybody", async () => {
  expect(await within(sink.removeDevices(names("hostile"), never))).toBe("verified");
});
