/**
 * An export shows what the gate decides: what is used is never more than what is given, and nothing refused is used.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { anyDecision } from "../../../tests/arbitraries/decision.ts";
import { grantsOf } from "../../model/consent.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { decide } from "./decide.ts";
import { showDecision } from "./show-decision.ts";

const FLOORS = { analytics: 1, weather: 1, scene: 1, network: 1 };
const device = "d" as DeviceKey;

test("shows as given what was granted, and as used only what the gate allows", () => {
  const version = fc.integer({ min: 0, max: 100_000 });
  const floors = fc.record({ analytics: version, weather: version, scene: version, network: version });
  fc.assert(
    fc.property(anyDecision, floors, fc.nat({ max: 9_999_999_999_999 }), (decision, under, now) => {
      const shown = showDecision(device, decision, under, now);
      const verdict = decide(decision, under, now);
      expect(grantsOf(shown.given)).toBe(decision.grants);
      expect(shown.refusal).toBe(verdict.refusal);
      expect(grantsOf(shown.used) & ~(verdict.grants ?? 0)).toBe(0);
    }),
  );
});

test("shows what a purpose cannot use as given but not used", () => {
  const granted = grantsOf({ weather: ["model", "location"], scene: ["model"] });
  const [base] = fc.sample(anyDecision, 1);
  const decision = { ...base, state: "given", expiresAt: 2, policyVersion: 1, minor: false, held: false } as never;
  const shown = showDecision(device, { ...(decision as typeof base & object), grants: granted } as never, FLOORS, 1);
  expect(shown.given).toEqual({ weather: ["model", "location"], scene: ["model"] });
  expect(shown.used).toEqual({ weather: ["location"] });
});
