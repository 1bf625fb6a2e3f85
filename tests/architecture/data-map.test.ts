/** The data map says of everything that rests how long it does, in the options that really end it. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { optionRows } from "../../src/config/options.ts";

const page = readFileSync(new URL("../../docs/privacy/data-map.md", import.meta.url), "utf8");
const [, table = ""] = /## Where it rests, and for how long\n\n([\s\S]*?)\n\n/.exec(page) ?? [];
const rows = table
  .split("\n")
  .slice(2)
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, what = "", where = "", howLong = ""]) => ({ what, where, howLong }));
const options = optionRows().map(({ path }) => path.join("."));

it.each([
  ["`device_status`", "InfluxDB", "retention.deviceStatusDays"],
  ["`device_location`", "InfluxDB", "retention.deviceLocationDays"],
  ["`cell_activity`", "InfluxDB", "retention.cellActivityDays"],
  ["who was given data of a person", "Redis", "retention.disclosureDays"],
  ["the same by service, purpose and day", "Redis", "retention.disclosureDays"],
  ["audit log", "Redis", "retention.auditDays"],
  ["raw message, sealed, that could not be processed", "Redis", "queue.deadLetterRetentionDays"],
  ["device keys of the person, in an erasure", "Redis", "erasure.acknowledgeDays"],
  ["scene and network pseudonyms that services must forget", "Redis", "erasure.acknowledgeDays"],
  ["proposal of a legal hold", "Redis", "hold.proposalHours"],
  ["backup of the records", "archives", "backup.keep"],
])("%s rests in %s for %s", (what, where, option) => {
  const row = rows.find((one) => one.what.startsWith(what));
  expect(row?.where).toContain(where);
  expect(row?.howLong).toContain(`\`${option}\``);
  expect(options).toContain(option);
});

it("leaves out no option of retention", () => {
  const ending = options.filter((option) => /^retention\..*Days$/.test(option));
  expect(ending.length).toBeGreaterThan(4);
  for (const option of ending) expect(table).toContain(`\`${option}\``);
});

it.each([
  "consent ledger",
  "decision of each bound device",
  "keyed hash of a device's token",
  "erasure journal",
  "scene pseudonym",
])("has a row for the %s", (what) => {
  expect(rows.filter((one) => one.what.startsWith(what))).toHaveLength(1);
});

it("says of every row where and how long, and names no option that no one can set", () => {
  expect(rows.length).toBeGreaterThan(30);
  for (const { what, where, howLong } of rows) {
    expect(
      [what, where, howLong].every((cell) => cell.length > 1),
      what,
    ).toBe(true);
    const named = [...howLong.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
    for (const name of named) expect([...options, "cell_activity"]).toContain(name);
  }
});
