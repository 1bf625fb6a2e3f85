/** What the store holds is read back as it was written, all of it and nothing else: on a real InfluxDB 1. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { AnalyticsRecord } from "../../src/model/deidentified.ts";
import type { CellId, Pseudonym } from "../../src/model/ids.ts";
import type { StoredRow } from "../../src/sinks/influx/row-answers.ts";
import { type Measurement, RowReading } from "../../src/sinks/influx/row-reading.ts";
import type { InfluxSink } from "../../src/sinks/influx/sink.ts";
import type { PrivateServer } from "../../tools/private-servers/private-server.ts";
import { startInflux } from "../../tools/private-servers/services.ts";
import {
  AT,
  located,
  never,
  query,
  quiet,
  record,
  sinkFor,
  startInfluxWithPasswords,
  temporaryFolder,
} from "./influx-fixture.ts";

const LATER = `${AT + 3_600_000}000000`;
const WEEK_MS = 7 * 86_400_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let influx: PrivateServer;
let sink: InfluxSink;
let reading: RowReading;

const optionsFor = (url: string) =>
  ({ url, api: "v1", database: "consentry", retentionPolicy: "", org: "", bucket: "" }) as const;

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
  reading = new RowReading(optionsFor(influx.url), 4);
  reading.start();
  return async () => {
    reading.stop();
    await sink.stop();
  };
});

async function read(names: readonly string[], measurement: Measurement = "device_status", untilNs = LATER) {
  const pages: StoredRow[][] = [];
  for await (const page of reading.rows(measurement, names as Pseudonym[], untilNs, never)) pages.push(page);
  return { rows: pages.flat(), pages };
}

test("numbers, flags and texts come back as they were, odd characters and keys included", async () => {
  const status = {
    n: 20,
    f: 20.5,
    tiny: -1e-9,
    on: false,
    digits: "42",
    odd: `"\\ a,b=c €😀 '`,
    empty: "",
    time: 5,
    model_: "x",
  };
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

test("a field that was a number one week and a text another comes back as both", async () => {
  const of = (weeksAgo: number, value: number | string | boolean): AnalyticsRecord => ({
    device: "dev" as Pseudonym,
    status: { level: value, n: weeksAgo },
    timestampNs: `${AT - weeksAgo * WEEK_MS}000000`,
  });
  for (const one of [of(9, "high"), of(6, 5), of(3, true)])
    expect(await sink.write([one], never)).toEqual({ rejected: [] });
  expect((await read(["dev"])).rows.map(({ fields }) => fields)).toEqual([
    { level: "high", n: 9 },
    { level: 5, n: 6 },
    { level: true, n: 3 },
  ]);
});

test("what is later than asked for is left out, and places are read like readings", async () => {
  const place = located("dev", 1, "8560145bfffffff");
  await sink.write([record("dev", 1, { n: 1 }), record("dev", 2, { n: 2 }), place], never);
  expect((await read(["dev"], "device_status", `${AT}000001`)).rows).toHaveLength(1);
  expect((await read(["dev"], "device_location")).rows).toEqual([
    { device: "dev", timeNs: `${AT}000000`, fields: { cell: "8560145bfffffff" as CellId, resolution: 5 } },
  ]);
});

test("pages too long for one answer are made smaller, and rows of hundreds of foreign fields do not get lost in them", async () => {
  // Every row of an answer has a column for every field that anybody ever used.
  const foreign = Array.from({ length: 30 }, (_, index) =>
    record("someone", index, Object.fromEntries(Array.from({ length: 30 }, (_, key) => [`k_${index}_${key}`, key]))),
  );
  const text = "x".repeat(64);
  const mine = Array.from({ length: 1_500 }, (_, n) =>
    record("dev", n, Object.fromEntries(Array.from({ length: 30 }, (_, key) => [`text_${key}`, text]))),
  );
  expect(await sink.write([...foreign, ...mine], never)).toEqual({ rejected: [] });
  reading.stop();
  reading = new RowReading(optionsFor(influx.url), 4_000);
  reading.start();
  const { rows, pages } = await read(["dev"]);
  expect(rows).toHaveLength(1_500);
  expect(pages.length).toBeGreaterThan(1);
  expect(rows.every(({ fields }) => Object.keys(fields).length === 30)).toBe(true);
});

test("a store that is away, or that does not let us read, is an error before and in the middle", async () => {
  await sink.write(
    Array.from({ length: 20 }, (_, n) => record("dev", n, { n })),
    never,
  );
  await expect(reading.check(never)).resolves.toBeUndefined();
  const rows = reading.rows("device_status", ["dev" as Pseudonym], LATER, never);
  expect((await rows.next()).value).toHaveLength(3);
  await influx.kill("SIGKILL");
  await expect(rows.next()).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  await expect(reading.check(never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  await influx.start();
  await expect(reading.check(never)).resolves.toBeUndefined();

  const user = { name: "writer", password: "p" };
  const guarded = await startInfluxWithPasswords(`${folder.dir}/guarded`, user);
  const stranger = new RowReading({ ...optionsFor(guarded.url), username: "writer", password: "wrong" });
  stranger.start();
  await expect(stranger.check(never)).rejects.toMatchObject({ code: "SINK_DENIED" });
  stranger.stop();
  await guarded.stop();
});
