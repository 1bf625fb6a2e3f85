import { describe, expect, it } from "vitest";
import { requireResidency } from "./residency.ts";

describe("requireResidency", () => {
  const india = { name: "influx", region: "IN-KA" };

  it("is content with a sink in every required region, a subdivision lying in its country", () => {
    requireResidency([india, { name: "copy", region: "DE" }], ["IN", "DE"]);
    requireResidency([india], ["IN-KA"]);
    requireResidency([], []);
  });

  it.each([
    [["IN", "DE"], "DE"],
    [["IN-MH"], "IN-MH"],
    [["I"], "I"],
  ])("refuses to do without: %j", (required, missing) => {
    const expected = { code: "RESIDENCY_UNSATISFIED", message: `RESIDENCY_UNSATISFIED: no sink in ${missing}` };
    expect(() => requireResidency([india], required)).toThrow(expect.objectContaining(expected));
  });
});
