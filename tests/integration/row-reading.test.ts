/** What the store holds is read back as it was written, all of it and nothing else: on a real InfluxDB 1. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { AnalyticsRecord } from "../../src/model/deidentified.ts";
import type { CellId, Pseudonym } from "../../src/model/ids.ts";
import type { DeviceMeasurement, SinkReading, StoredRow } from "../../src/model/sink.ts";
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
  startInfluxWithPasswords,
  temporaryFolder,
  writeBeside,
} from "./influx-fixture.ts";

const LATER = `${AT + 3_600_000}000000`;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let influx: PrivateServer;
let sink: InfluxSink;
let reading: SinkReading;

/** With pages of so many rows to begin with. */
function readingFor(url: string, rowsPerPage: number, options: Parameters<typeof sinkFor>[1] = {}): SinkReading {
  const { reading } = sinkFor(url, { rowsPerPage, ...options }).sink;
  reading.start();
  return reading;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  influx = await startInflux({ dir: `${folder.dir}/open`, say: quiet });
});
afterAll(async () => {
  await influx.stop();
  await folder.remove();
});
beforeEach(async () => {
  await query(influx.url, "DROP DATABASE consentry");
  ({ sink } = sinkFor(influx.url));
  await sink.start(never);
  reading = readingFor(influx.url, 4);
  return async () => {
    reading.stop();
    await sink.stop();
  };
});

async function read(names: readonly string[], measurement: DeviceMeasurement = "device_status", untilNs = LATER) {
  const pages: (readonly StoredRow[])[] = [];
  for await (const page of reading.rows(measurement, names as Pseudonym[], untilNs, never)) pages.push(page);
  return { rows: pages.flat(), pages };
}

test("numbers, flags and texts come back as they were, odd characters included", async () => {
  const status = { n: 20, value: 20.5, tiny: -1e-9, on: false, digits: "42", odd: `"\\ a,b=c €😀 '`, empty: "" };
  const records: AnalyticsRecord[] = [{ ...record("dev", 1, status), model: "hub" }, record("dev", 2, { other: true })];
  expect(await sink.write(records, never)).toEqual({ rejected: [] });
  expect((await read(["dev"])).rows).toEqual([
    { device: "dev", timeNs: records[0]?.timestampNs, model: "hub", fields: status },
    { device: "dev", timeNs: records[1]?.timestampNs, fields: { other: true } },
  ]);
});

test("of many names and many pages each row comes once, oldest first, and nothing of a neighbour", async () => {
  const names = Array.from({ length: 130 }, (_, index) => `dev-${index}`);
  const records = names.flatMap((name, index) =>
    Array.from({ length: 3 }, (_, n): AnalyticsRecord => ({ ...record(name, index * 7 + n, { n, index }) })),
  );
  const neighbours = names.map((name, n) => record(`${name}x`, n, { n: 99 }));
  expect(await sink.write([...records, ...neighbours], never)).toEqual({ rejected: [] });
  const { rows, pages } = await read(names);
  expect(pages.every((page) => page.length <= 4)).toBe(true);
  const told = rows.map(({ device, timeNs, fields }) => `${device} ${timeNs} ${fields.n} ${fields.index}`).sort();
  expect(told).toEqual(
    records.map(({ device, timestampNs, status }) => `${device} ${timestampNs} ${status?.n} ${status?.index}`).sort(),
  );
  for (const name of [names[0], names[129]]) {
    const times = rows.filter(({ device }) => device === name).map(({ timeNs }) => timeNs);
    expect(times).toEqual([...times].sort());
  }
});

test("more rows of one moment than a page has are all there", async () => {
  const models = Array.from({ length: 11 }, (_, index) => `kind-${String(index).padStart(2, "0")}`);
  const moment = record("dev", 5, { n: 1 });
  await sink.write(
    [record("dev", 1, { n: 0 }), ...models.map((model) => ({ ...moment, model })), record("dev", 9, { n: 2 })],
    never,
  );
  const { rows } = await read(["dev"]);
  expect(rows.map(({ model }) => model ?? "-").sort()).toEqual(["-", "-", ...models]);
});

test("what is later than asked for is left out, and places are read like readings", async () => {
  await sink.write([record("dev", 1, { n: 1 }), record("dev", 2, { n: 2 })], never);
  await sink.writePlaces([placed("dev", "8560145bfffffff")], never);
  expect((await read(["dev"], "device_status", `${AT}000001`)).rows).toHaveLength(1);
  expect((await read(["dev"], "device_location")).rows).toEqual([
    { device: "dev", timeNs: `${AT}000000`, fields: { cell: "8560145bfffffff" as CellId, resolution: 5 } },
  ]);
});

test("pages too long for one answer are made smaller, and what others wrote beside us is not read", async () => {
  const foreign = Array.from({ length: 900 }, (_, key) => `k_${key}=1`).join(",");
  await writeBeside(influx.url, `device_status,device=dev ${foreign} ${AT}000000`);
  const text = "x".repeat(3_000);
  const mine = Array.from({ length: 1_500 }, (_, n) => record("dev", n + 1, { n, text, note: text }));
  expect(await sink.write(mine, never)).toEqual({ rejected: [] });
  reading.stop();
  reading = readingFor(influx.url, 4_000);
  const { rows, pages } = await read(["dev"]);
  expect(rows).toHaveLength(1_500);
  expect(pages.length).toBeGreaterThan(2);
  expect(rows.every(({ fields }) => Object.keys(fields).length === 3)).toBe(true);
});

test("a store that is away, or that does not let us read, is an error before and in the middle", async () => {
  await sink.write(
    Array.from({ length: 20 }, (_, n) => record("dev", n, { n })),
    never,
  );
  await expect(reading.check(never)).resolves.toBeUndefined();
  const rows = reading.rows("device_status", ["dev" as Pseudonym], LATER, never)[Symbol.asyncIterator]();
  expect((await rows.next()).value).toHaveLength(3);
  await influx.kill("SIGKILL");
  await expect(rows.next()).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  await expect(reading.check(never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  await influx.start();
  await expect(reading.check(never)).resolves.toBeUndefined();

  const user = { name: "writer", password: "p" };
  const guarded = await startInfluxWithPasswords(`${folder.dir}/guarded`, user);
  const stranger = readingFor(guarded.url, 4, { username: "writer", password: "wrong" });
  await expect(stranger.check(never)).rejects.toMatchObject({ code: "SINK_DENIED" });
  stranger.stop();
  await guarded.stop();
});
