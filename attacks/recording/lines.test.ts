import { expect, test } from "vitest";
import type { CellId, Pseudonym } from "../../src/model/ids.ts";
import { StoredFields } from "../../src/sinks/influx/fields.ts";
import { activityLine, placeLine, statusLine } from "../../src/sinks/influx/line-protocol.ts";
import { parseLine } from "./lines.ts";

const device = "a-name" as Pseudonym;
const cell = "8460145ffffffff" as CellId;

test("a status is read as it was written, whatever is in it", () => {
  const fields = new StoredFields([
    { name: "battery", kind: "number" },
    { name: "open", kind: "flag" },
    { name: "word", kind: "word" },
  ]);
  const status = { battery: -12.5, open: false, word: 'a "b", c=d\\' };
  const line = statusLine({ device, model: "a b,c=d", timestampNs: "1788393600123000456", status }, fields);
  expect(parseLine(line ?? "")).toEqual({
    measurement: "device_status",
    tags: { device: "a-name", model: "a b,c=d" },
    fields: status,
    time: 1_788_393_600_123,
    digits: 456,
  });
});

test("places and counts are read as they were written", () => {
  const place = parseLine(placeLine({ device, cell, resolution: 4, epochStart: 1_788_393_600_000 }));
  expect(place).toMatchObject({ tags: { device }, fields: { cell, resolution: 4 }, time: 1_788_393_600_000 });
  const count = parseLine(activityLine({ cell, devices: 12, messages: 40, timestampNs: "1788393600000000007" }));
  expect(count).toMatchObject({ tags: { cell }, fields: { devices: 12, messages: 40 }, digits: 7 });
});
