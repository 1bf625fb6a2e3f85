/**
 * Promise: however many fields someone writes beside the gateway, no one's rows are slower to read, count, verify or delete.
 * On a real InfluxDB 1.
 */
import { appendFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Pseudonym } from "../../src/model/ids.ts";
import type { StoredRow } from "../../src/model/sink.ts";
import type { InfluxSink } from "../../src/sinks/influx/sink.ts";
import type { PrivateServer } from "../../tools/private-servers/private-server.ts";
import { startInflux } from "../../tools/private-servers/services.ts";
import {
  AT,
  never,
  placed,
  query,
  quiet,
  record,
  sinkFor,
  temporaryFolder,
  writeBeside,
} from "../integration/influx-fixture.ts";

const FIELDS = 100_000;
const ROWS = 100;
/** A wildcard takes more than a minute and a hundred megabytes for the same. */
const LONGEST_MS = 30_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let influx: PrivateServer;
let sink: InfluxSink;
const names = (...devices: string[]) => devices as Pseudonym[];

beforeAll(async () => {
  folder = await temporaryFolder();
  influx = await startInflux({ dir: folder.dir, say: quiet });
  ({ sink } = sinkFor(influx.url, { timeoutMs: 30_000 }));
  await sink.start(never);
  for (const device of ["anna", "ben", "cleo"]) {
    const rows = Array.from({ length: ROWS }, (_, n) =>
      record(device, n, { temperature: n, on: true, note: device, ...(n === 7 && { power: 1 }) }),
    );
    await sink.write(rows, never);
    await sink.writePlaces([placed(device, "8560145bfffffff")], never);
  }
  await writeBeside(influx.url, `device_status,device=hostile field_00000=1,n=1 ${AT}000001`);
  await influx.stop();
  await makeFields();
  await influx.start();
  sink.reading.start();
  sink.retention.start();
});
afterAll(async () => {
  sink?.reading.stop();
  sink?.retention.stop();
  await sink?.stop();
  await influx?.stop();
  await folder?.remove();
});

/** As the store notes them when a device has sent so many; to write them one by one takes an InfluxDB 1 many minutes. */
async function makeFields(): Promise<void> {
  const fields = Array.from({ length: FIELDS }, (_, n) => {
    const name = Buffer.from(`field_${String(n).padStart(5, "0")}`);
    return part(2, Buffer.concat([part(1, name), Buffer.from([0x10, FLOAT])]));
  });
  const measurement = part(1, Buffer.concat([part(1, Buffer.from("device_status")), ...fields]));
  const files = await readdir(folder.dir, { recursive: true });
  const [index] = files.filter((file) => file.endsWith("fields.idx") && file.includes("consentry"));
  if (index === undefined) throw new Error("no index of fields");
  await appendFile(join(folder.dir, index), measurement);
}

const FLOAT = 1;

/** A part of a protocol buffer: number, length, content. */
function part(number: number, content: Buffer): Buffer {
  const length: number[] = [];
  for (let left = content.length; ; left >>>= 7) {
    length.push(left > 0x7f ? (left & 0x7f) | 0x80 : left);
    if (left <= 0x7f) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), content]);
}

async function within<T>(work: Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work;
  expect(performance.now() - begun).toBeLessThan(LONGEST_MS);
  return result;
}

/** By a field that all rows but those of the hostile device have. */
async function rowsOf(device: string): Promise<number> {
  const counted = await query(influx.url, `SELECT COUNT(temperature) FROM device_status WHERE device = '${device}'`);
  return Number(counted[0]?.count ?? 0);
}

async function read(device: string, measurement: "device_status" | "device_location" = "device_status") {
  const rows: StoredRow[] = [];
  for await (const page of sink.reading.rows(measurement, names(device, "nobody"), `${AT + 1_000}000000`, never))
    rows.push(...page);
  return rows;
}

test("an export of someone else is as it was, each field of it", async () => {
  await within(sink.reading.check(never));
  const rows = await within(read("anna"));
  expect(rows).toHaveLength(ROWS);
  expect(rows[7]?.fields).toEqual({ temperature: 7, on: true, note: "anna", power: 1 });
  expect(rows.filter(({ fields }) => Object.keys(fields).length === 3)).toHaveLength(ROWS - 1);
  expect(await within(read("anna", "device_location"))).toMatchObject([{ fields: { cell: "8560145bfffffff" } }]);
});

test("an erasure of someone else counts, deletes and verifies, and leaves the others", async () => {
  expect(await within(sink.countRows(names("ben"), never))).toBe(ROWS + 1);
  expect(await within(sink.removeDevices(names("ben"), never))).toBe("verified");
  expect(await query(influx.url, "SHOW SERIES FROM device_status")).toHaveLength(3);
  expect(await rowsOf("ben")).toBe(0);
  expect(await rowsOf("anna")).toBe(ROWS);
});

test("rows whose write was in doubt are taken out one by one", async () => {
  const doubtful = [record("cleo", 1, { temperature: 1 }), record("cleo", 2, { temperature: 2 })];
  expect(await within(sink.remove(doubtful, never))).toBe("verified");
  expect(await rowsOf("cleo")).toBe(ROWS - 2);
});

test("retention counts and deletes", async () => {
  const old = { measurement: "device_status", beforeMs: AT - 60_000, except: names("anna") } as const;
  expect(await within(sink.retention.count(old, never))).toBe(0);
  expect(await within(sink.retention.remove(old, never))).toBe("deleted");
  expect(await rowsOf("anna")).toBe(ROWS);
});

test("anyone who has them can be erased like anybody", async () => {
  expect(await within(sink.removeDevices(names("hostile"), never))).toBe("verified");
});
