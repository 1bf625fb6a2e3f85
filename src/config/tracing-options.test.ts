/** Headers for a collector: what is one, and what is refused instead of being sent in part. */
import { describe, expect, it } from "vitest";
import { headersOf } from "./tracing-options.ts";

describe("headers for a collector", () => {
  it("are a line each", () => {
    expect(headersOf("Authorization: Bearer abc\r\nx-scope:\t7\n")).toEqual({
      authorization: "Bearer abc",
      "x-scope": "7",
    });
    expect(headersOf()).toEqual({});
  });

  it.each([
    ["a line without a name", ": abc"],
    ["a line without a value", "authorization:"],
    ["no colon", "Bearer abc"],
    ["a name that is none", "two words: abc"],
    ["a control character", "authorization: a\u0007b"],
    ["one name twice", "a: 1\nA: 2"],
    ["a good line beside a bad one", "a: 1\nb"],
    ["more than sixteen", Array.from({ length: 17 }, (_, index) => `h${index}: 1`).join("\n")],
  ])("are refused whole for %s", (_, text) => {
    expect(headersOf(text)).toBeUndefined();
  });
});
