import { describe, expect, test } from "vitest";
import { countOf, devicesOf, momentsOf, rowsOf } from "./row-answers.ts";

const AT = "2026-01-02T03:04:05.000000007Z";
const AT_NS = `${Date.UTC(2026, 0, 2, 3, 4, 5)}000007`;

test("rows have the fields that are not null, a model or none, and their time to the nanosecond", () => {
  const columns = ["time", "device", "model", "n", "on", "text"];
  const values = [
    [AT, "a", "hub", 1.5, false, null],
    ["2026-01-02T03:04:05Z", "b", null, null, null, ""],
  ];
  expect(rowsOf({ series: [{ columns, values }] })).toEqual({
    rows: [
      { device: "a", timeNs: AT_NS, model: "hub", fields: { n: 1.5, on: false } },
      { device: "b", timeNs: `${AT_NS.slice(0, -1)}0`, fields: { text: "" } },
    ],
    partial: false,
  });
  expect(rowsOf({ series: [{ columns, values, partial: true }] }).partial).toBe(true);
  expect(rowsOf({})).toEqual({ rows: [], partial: false });
});

describe("what is no such answer", () => {
  test.each([
    ["of rows", () => rowsOf({ series: [{ columns: ["name"], values: [["data"]] }] })],
    ["of a time", () => rowsOf({ series: [{ columns: ["time", "device"], values: [["soon", "a"]] }] })],
    ["of devices", () => devicesOf({ series: [{ columns: ["name"], values: [["data"]] }] })],
    ["of moments", () => momentsOf({ series: [{ columns: ["name"], values: [["data"]] }] })],
  ])("%s is an error, never a shorter answer", (_, read) => {
    expect(read).toThrow(expect.objectContaining({ code: "SINK_DENIED" }));
  });
});

test("devices are told once, however many series they have", () => {
  const series = ["a", "b", "a"].map((device) => ({ tags: { device, model: "" }, values: [[AT, 1]] }));
  expect(devicesOf({ series })).toEqual(["a", "b"]);
});

test("moments are told once, in order", () => {
  const later = "2026-01-02T03:04:06Z";
  const series = [{ columns: ["time", "n"], values: [[later], [AT], [later]].map(([time]) => [time, 1]) }];
  expect(momentsOf({ series })).toEqual([BigInt(AT_NS), BigInt(AT_NS) + 999_999_993n]);
});

describe("a count", () => {
  test("is that of the commonest field, of each series", () => {
    const columns = ["time", "count", "count_1"];
    const series = [
      { columns, values: [[AT, 3, 7]] },
      { columns, values: [[AT, 2, null]] },
    ];
    expect(countOf({ series })).toBe(9);
  });
  test.each([{}, { series: [] }, { series: [{}] }, { series: [{ values: [] }] }, { series: [{ values: [[AT]] }] }])(
    "%j is nothing",
    (result) => {
      expect(countOf(result)).toBe(0);
    },
  );
});
