import { expect, it } from "vitest";
import { BY_CONSENT, REFUSAL_REASONS, type Refusal } from "../model/outcome.ts";
import { NOT_PERMITTED, TOLD_REFUSALS, toldReason, toldRefusals } from "./told-refusals.ts";

it("what a person has decided, or a court, is one reason, and nothing is lost in the sum", () => {
  const refused = Object.fromEntries(REFUSAL_REASONS.map((reason, index) => [reason, index + 1])) as Record<
    Refusal,
    number
  >;
  const told = toldRefusals(refused);
  for (const reason of [...BY_CONSENT, "legal-hold"]) {
    expect(told).not.toHaveProperty(reason);
    expect(toldReason(reason)).toBe(NOT_PERMITTED);
  }
  expect(Object.keys(told).sort()).toEqual([...TOLD_REFUSALS].sort());
  const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, one) => all + one, 0);
  expect(sum(told)).toBe(sum(refused));
  expect(told["invalid-payload"]).toBe(refused["invalid-payload"]);
});
