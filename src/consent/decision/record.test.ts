import fc from "fast-check";
import { expect, test } from "vitest";
import { anyDecision } from "../../../tests/arbitraries/decision.ts";
import { decodeDecision, encodeDecision } from "./record.ts";

test("an encoded decision decodes to the same decision", () => {
  fc.assert(
    fc.property(anyDecision, (decision) => {
      expect(decodeDecision(encodeDecision(decision))).toEqual(decision);
    }),
  );
});

test("only text that encoding can produce decodes: any edit gives a denial or another canonical record", () => {
  const edited = fc.tuple(
    anyDecision,
    fc.nat(),
    fc.constantFrom("", "|", "0", "1", "2", "-", " ", "x", "é", "||"),
    fc.nat(3),
  );
  fc.assert(
    fc.property(edited, ([decision, place, insert, removed]) => {
      const text = encodeDecision(decision);
      const at = place % (text.length + 1);
      const changed = text.slice(0, at) + insert + text.slice(at + removed);
      const decoded = decodeDecision(changed);
      if (decoded !== undefined) expect(encodeDecision(decoded)).toBe(changed);
    }),
    { numRuns: 2_000 },
  );
});

test("arbitrary text decodes to no decision", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(decodeDecision(text)).toBeUndefined();
    }),
  );
});

test.each([
  null,
  undefined,
  "",
  "3|given|0|0|1|15|0|0|0|0|1.15|",
  "1|given|0|0|1|15|0|0|0|0|1.15|key",
  "2|given|0|0|1|15|0|0|0|0|1.15|key",
  "3|allowed|0|0|1|15|0|0|0|0|1.15|key",
  "3|given|0|0|1|65536|0|0|0|0|1.15|key",
  "3|given|00|0|1|15|0|0|0|0|1.15|key",
  "3|given|0|-1|1|15|0|0|0|0|1.15|key",
  "3|given|0|9999999999999999|1|15|0|0|0|0|1.15|key",
  "3|given|0|0|1|15|2|0|0|0|1.15|key",
  "3|given|0|0|1|15|0|0|0|x|1.15|key",
  "3|given|0|0|1|15|0|0|0|0|1.15|key|more",
  "3|given|0|0|1|15|0|0|0",
  `3|given|0|0|1|15|0|0|0|0|1.15|${"k".repeat(2_000)}`,
])("%j decodes to no decision", (text) => {
  expect(decodeDecision(text)).toBeUndefined();
});
