/** A report of another gateway that is none stands for a gateway of which nothing is known, and stops no heartbeat. */
import { expect, it } from "vitest";
import { parseReport } from "./gateway-report.ts";

const NOTHING = { queue: {}, sealing: [], masters: [], wrapping: "" };

it.each([
  "null",
  "7",
  '"text"',
  "[]",
  "{",
  '{"schema":1}',
  '{"queue":null,"masters":[]}',
  '{"queue":{},"masters":"m"}',
])("%s tells nothing", (text) => {
  expect(parseReport(text)).toEqual(NOTHING);
});

it("a report is read as it was written", () => {
  const report = { schema: 1, queue: { q0001: "aa" }, sealing: ["q0001"], masters: ["bb"], wrapping: "bb" };
  expect(parseReport(JSON.stringify(report))).toEqual(report);
});
