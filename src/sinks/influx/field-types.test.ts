import { describe, expect, it } from "vitest";
import { conflictsIn, FieldTypes } from "./field-types.ts";

const refused = (field: string, type = "float") =>
  `field type conflict: input field "${field}" on measurement "device_status" is type ${type}, already exists as type string`;
const column = (field: string, type: string) =>
  `invalid column type for column '${field}', expected iox::column_type::field::string, got iox::column_type::field::${type}`;

describe("a conflict of types", () => {
  it.each([
    ["InfluxDB 1", { error: `partial write: ${refused("temperature")} dropped=3` }],
    ["InfluxDB 1, all of it", { error: refused("temperature") }],
    [
      "InfluxDB 2",
      {
        code: "unprocessable entity",
        message: `failure writing points to database: partial write: ${refused("temperature")} dropped=3`,
      },
    ],
    [
      "InfluxDB 3",
      {
        error: "partial write of line protocol occurred",
        data: [{ original_line: "canary", line_number: 2, error_message: column("temperature", "float") }],
      },
    ],
  ])("is read out of the answer of %s", (_, json) => {
    expect(conflictsIn(json)).toEqual([{ field: "temperature", type: "number" }]);
  });

  it("tells which type of ours was refused, and all that an answer tells", () => {
    const data = [column("a", "boolean"), column("b_", "string"), column("c", "tag"), "x", null].map(
      (error_message) => ({
        error_message,
      }),
    );
    expect(conflictsIn({ data: [...data, null, 1] })).toEqual([
      { field: "a", type: "flag" },
      { field: "b_", type: "text" },
    ]);
  });

  it.each([
    ["a text that a device wrote", { error: `unable to parse 'device_status note="${refused("good")} dropped=1` }],
    ["a text at the end of a line", { error: `unable to parse 'x': ${refused("good")}` }],
    ["another measurement", { error: refused("cell").replace("device_status", "device_location") }],
    ["a name no device can have sent", { error: refused("temperature.number") }],
    ["an endless name", { error: refused("x".repeat(40)) }],
    ["a type that is none of ours", { error: refused("n", "integer") }],
    ["something after it", { error: `${refused("n")} and more` }],
    ["no answer at all", undefined],
    ["something else", { error: 5, message: null, data: "x" }],
  ])("is not read out of %s", (_, json) => {
    expect(conflictsIn(json)).toEqual([]);
  });
});

describe("the name of a field", () => {
  it("is plain until the store has refused that type of it", () => {
    const types = new FieldTypes();
    expect(types.nameFor("temperature", 1)).toBe("temperature");
    types.learn([{ field: "temperature", type: "number" }]);
    expect([1, "x", true].map((value) => types.nameFor("temperature", value))).toEqual([
      "temperature.number",
      "temperature",
      "temperature",
    ]);
    types.learn([
      { field: "temperature", type: "text" },
      { field: "temperature", type: "flag" },
    ]);
    expect(["x", true].map((value) => types.nameFor("temperature", value))).toEqual([
      "temperature.text",
      "temperature.flag",
    ]);
    expect(types.nameFor("humidity", 1)).toBe("humidity");
  });
});
