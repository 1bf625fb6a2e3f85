import fc from "fast-check";
import { expect, test } from "vitest";
import type { SubjectTag } from "../model/ids.ts";
import { canonicalJson, genesis } from "./hash-chain.ts";

test("canonical JSON is valid JSON, and equal for equal values in any order of members", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(reversed(value))).toBe(text);
    }),
  );
  expect(canonicalJson({ b: undefined, a: [undefined, { d: 1, c: "é" }] })).toBe('{"a":[null,{"c":"é","d":1}]}');
});

test("no two subjects have the same genesis hash", () => {
  expect(genesis("a".repeat(22) as SubjectTag)).not.toBe(genesis("b".repeat(22) as SubjectTag));
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  // Defined, not assigned: `__proto__` must be an ordinary member here.
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member)]),
  );
}
