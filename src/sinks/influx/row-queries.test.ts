import { describe, expect, it } from "vitest";
import type { CellId, Pseudonym } from "../../model/ids.ts";
import {
  deletePredicate,
  deleteStatement,
  fieldKeysStatement,
  fluxNames,
  fluxPage,
  fluxQuery,
  pageStatement,
  selectStatement,
  timeRange,
} from "./row-queries.ts";
import { rowsOfDevices, rowsOfRecords, type StoredRows } from "./stored-rows.ts";

const device = "dev" as Pseudonym;
const row: StoredRows = { measurement: "device_status", device, model: "hub", timeNs: "1700000000123000456" };

describe("rows of records", () => {
  const location = { cell: "cell" as CellId, resolution: 5, epochStart: 1_700_000_000_000 };

  it("are the status at its time and the place at the start of its epoch", () => {
    expect(rowsOfRecords([{ device, model: "hub", status: { n: 1 }, timestampNs: "17", location }])).toEqual([
      { measurement: "device_status", device, model: "hub", timeNs: "17" },
      { measurement: "device_location", device, timeNs: "1700000000000000000" },
    ]);
  });

  it("are told once, and not for what a record does not have", () => {
    const places = [1, 2, 3].map((n) => ({ device, timestampNs: `${n}`, location }));
    expect(rowsOfRecords([...places, { device, timestampNs: "4" }])).toHaveLength(1);
  });

  it("without a model are those without a model", () => {
    expect(rowsOfRecords([{ device, status: {}, timestampNs: "17" }])).toMatchObject([{ model: "" }]);
  });
});

describe("InfluxQL", () => {
  it("deletes and selects by device, model and exact time", () => {
    const where = `WHERE "device" = 'dev' AND "model" = 'hub' AND time = 1700000000123000456`;
    expect(deleteStatement(row)).toBe(`DELETE FROM "device_status" ${where}`);
    expect(selectStatement(row, "")).toBe(`SELECT * FROM "device_status" ${where} LIMIT 1`);
    expect(selectStatement(row, 'a"b')).toBe(`SELECT * FROM "a\\"b"."device_status" ${where} LIMIT 1`);
    expect(selectStatement(row, "", ["n", "n.text"])).toBe(
      `SELECT "n", "n.text" FROM "device_status" ${where} LIMIT 1`,
    );
  });

  it("has no way out of a text", () => {
    const odd = { ...row, model: "it's \\' OR 1=1" };
    expect(deleteStatement(odd)).toContain(`"model" = 'it\\'s \\\\\\' OR 1=1'`);
  });
});

describe("delete predicates and Flux", () => {
  it("name the row", () => {
    expect(deletePredicate(row)).toBe('_measurement="device_status" AND device="dev" AND model="hub"');
    expect(timeRange(row)).toEqual({ start: "2023-11-14T22:13:20.123000456Z", stop: "2023-11-14T22:13:20.123000456Z" });
    expect(fluxQuery("b", [row])).toContain(
      '(r._measurement == "device_status" and r.device == "dev" and r.model == "hub" and r._time == 2023-11-14T22:13:20.123000456Z)',
    );
  });

  it("name all rows of a device", () => {
    const [status, place] = rowsOfDevices([device]);
    if (status === undefined || place === undefined) throw new Error("rows");
    expect(timeRange(place)).toEqual({ start: "1970-01-01T00:00:00Z", stop: "2262-04-11T23:47:16Z" });
    expect(deletePredicate(place)).toBe('_measurement="device_location" AND device="dev"');
    expect(fluxQuery("b", [status, place])).toContain(
      '(r._measurement == "device_status" and r.device == "dev") or (r._measurement == "device_location" and r.device == "dev")',
    );
  });

  it("have no way out of a text", () => {
    const odd = { ...row, model: `"\\ ${"$"}{x}` };
    expect(deletePredicate(odd)).toContain(`model="\\"\\\\ \\${"$"}{x}"`);
    expect(fluxQuery('b"', [odd])).toContain('from(bucket: "b\\"")');
  });
});

describe("pages", () => {
  const page = {
    measurement: "device_status",
    devices: ["a'", 'b"'] as Pseudonym[],
    fromNs: "1700000000123000456",
    untilNs: "1700000001999999999",
    limit: 7,
  } as const;

  it("ask in InfluxQL for many names at once, for fields by name, and for every type of one that has several", () => {
    const where = `WHERE ("device" = 'a\\'' OR "device" = 'b"') AND time >= 1700000000123000456 AND time <= 1700000001999999999 ORDER BY time ASC LIMIT 7`;
    expect(pageStatement(page, "", [{ field: "n" }])).toBe(
      `SELECT "device", "model", "n" FROM "device_status" ${where}`,
    );
    const types = ["float", "string"].map((type) => ({ field: 'a"b', type }));
    expect(pageStatement(page, "kept", types)).toBe(
      `SELECT "device", "model", "a\\"b"::float AS "a\\"b::float", "a\\"b"::string AS "a\\"b::string" FROM "kept"."device_status" ${where}`,
    );
    expect(fieldKeysStatement("device_location", 9, 8)).toBe('SHOW FIELD KEYS FROM "device_location" LIMIT 9 OFFSET 8');
  });

  it("ask in Flux for whose rows there are, and for both ends of a range", () => {
    const condition = (name: string) => `r._measurement == "device_status" and r.device == "${name}"`;
    expect(fluxNames("data", "device_status", page.devices)).toContain(
      `filter(fn: (r) => (${condition("a'")}) or (${condition('b\\"')})) |> keep(columns: ["device"]) |> limit(n: 1)`,
    );
    expect(fluxPage('da"ta', page)).toBe(
      [
        'from(bucket: "da\\"ta")',
        "range(start: 2023-11-14T22:13:20.123000456Z, stop: 2023-11-14T22:13:22.000000000Z)",
        `filter(fn: (r) => (${condition("a'")}) or (${condition('b\\"')}))`,
        'drop(columns: ["_start", "_stop", "_measurement"])',
        'sort(columns: ["_time"])',
        "limit(n: 7)",
      ].join(" |> "),
    );
  });

  it("begin at the beginning of time", () => {
    expect(fluxPage("b", { ...page, fromNs: "0" })).toContain("range(start: 1970-01-01T00:00:00.000000000Z,");
  });
});
