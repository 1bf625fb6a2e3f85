import { describe, expect, it } from "vitest";
import type { Pseudonym } from "../../model/ids.ts";
import { StoredFields } from "./fields.ts";
import { ofAge, ofRow, RowQueries } from "./row-queries.ts";
import { type RowOfDevice, rowsOfPlaces, rowsOfRecords } from "./stored-rows.ts";

const device = "dev" as Pseudonym;
const names = ["a'", 'b"'] as Pseudonym[];
const fields = new StoredFields([
  { name: "n", kind: "number" },
  { name: 'a"b', kind: "flag" },
]);
const queries = new RowQueries(fields, "");
const row: RowOfDevice = {
  measurement: "device_status",
  device,
  model: "hub",
  timeNs: "1700000000123000456",
  fields: new Set(["n", 'a"b']),
};

describe("rows of records", () => {
  it("are the status at its time; a place stands at the start of its epoch", () => {
    expect(rowsOfRecords([{ device, model: "hub", status: { n: 1, x: 2 }, timestampNs: "17" }], fields)).toEqual([
      { measurement: "device_status", device, model: "hub", timeNs: "17", fields: new Set(["n"]) },
    ]);
    expect(rowsOfPlaces([{ device, epochStart: 1_700_000_000_000 }], fields)).toEqual([
      {
        measurement: "device_location",
        device,
        timeNs: "1700000000000000000",
        fields: new Set(["cell", "resolution"]),
      },
    ]);
  });

  it("are told once, with the fields of all of them, and not for what a record does not have", () => {
    expect(rowsOfRecords([{ device, timestampNs: "4" }], fields)).toEqual([]);
    const both = [{ n: 1 }, { 'a"b': true }].map((status) => ({ device, status, timestampNs: "17" }));
    expect(rowsOfRecords(both, fields)).toMatchObject([{ fields: new Set(["n", 'a"b']) }]);
  });

  it("without a model are those without a model, and none is there where nothing could be written", () => {
    expect(rowsOfRecords([{ device, status: { n: 1 }, timestampNs: "17" }], fields)).toMatchObject([{ model: "" }]);
    expect(rowsOfRecords([{ device, status: { n: "1", x: 2 }, timestampNs: "17" }], fields)).toEqual([]);
  });
});

describe("statements", () => {
  const where = `WHERE "device" = 'dev' AND "model" = 'hub' AND time = 1700000000123000456`;
  const both = `"device" = 'a\\'' OR "device" = 'b"'`;

  it("ask for one row by device, model, exact time and its fields", () => {
    expect(ofRow(row)).toBe(where.slice("WHERE ".length));
    expect(queries.row(row)).toBe(`SELECT "n", "a\\"b" FROM "device_status" ${where} LIMIT 1`);
    expect(new RowQueries(fields, 'p"').row(row)).toBe(
      `SELECT "n", "a\\"b" FROM "p\\""."device_status" ${where} LIMIT 1`,
    );
  });

  it("have no way out of a text", () => {
    expect(ofRow({ ...row, model: "it's \\' OR 1=1" })).toContain(`"model" = 'it\\'s \\\\\\' OR 1=1'`);
  });

  it("ask who is there, how much and for a page by the fields of the table", () => {
    expect(queries.present("device_location", names)).toBe(
      `SELECT "cell", "resolution" FROM "device_location" WHERE ${both} GROUP BY "device" LIMIT 1`,
    );
    expect(queries.count("device_status", names)).toBe(
      `SELECT COUNT("n"), COUNT("a\\"b") FROM "device_status" WHERE ${both} GROUP BY "device"`,
    );
    const page = { measurement: "device_status", devices: names, fromNs: "5", untilNs: "9", limit: 7 } as const;
    expect(queries.page(page)).toBe(
      `SELECT "device", "model", "n", "a\\"b" FROM "device_status" WHERE (${both}) AND time >= 5 AND time <= 9 ORDER BY time ASC LIMIT 7`,
    );
  });

  it("ask for what is old without those that are held", () => {
    const old = { measurement: "cell_activity", beforeMs: 17, except: [] } as const;
    expect(queries.countOld(old)).toBe(
      `SELECT COUNT("devices"), COUNT("messages") FROM "cell_activity" WHERE time < 17000000`,
    );
    expect(ofAge({ ...old, except: ["a_-", "b"] as Pseudonym[] })).toBe(
      `time < 17000000 AND "device" !~ /^(?:a_-|b)$/`,
    );
  });
});
