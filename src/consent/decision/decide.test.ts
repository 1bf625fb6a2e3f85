import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyDecision } from "../../../tests/arbitraries/decision.ts";
import type { Decision, PolicyFloors } from "../../model/consent.ts";
import { PURPOSES } from "../../model/purposes.ts";
import { DENY_ALL_FLOORS } from "../policy/floors.ts";
import { decide } from "./decide.ts";

const NOW = 1_700_000_000_000;
const floor = fc.constantFrom(0, 1, 2, 3, Infinity);
const anyFloors: fc.Arbitrary<PolicyFloors> = fc.record({
  analytics: floor,
  weather: floor,
  scene: floor,
  network: floor,
});
/** Values close to every boundary, so that each rule is tested from both sides. */
const anyCase = fc
  .record({ expiry: fc.constantFrom(-1, 0, 1, 1_000), version: fc.integer({ min: 1, max: 3 }) })
  .chain(({ expiry, version }) =>
    anyDecision.map((decision) => ({ ...decision, expiresAt: NOW + expiry, policyVersion: version })),
  );

const STATES = ["given", "refused", "withdrawn", "expired", "requested"] as const;
const FLAGS = [false, true];
const GRANTS = [0, 0x000f, 0x0010, 0xfff0, 0xffff];
const VERSIONS = [1, 2];
const FLOORS: PolicyFloors[] = [
  { analytics: 1, weather: 1, scene: 1, network: 1 },
  { analytics: 2, weather: 1, scene: 1, network: 1 },
  { analytics: 1, weather: 2, scene: 2, network: 2 },
  { analytics: 2, weather: 2, scene: 2, network: 2 },
  DENY_ALL_FLOORS,
];

function* everyCombination(): Generator<{ decision: Decision; floors: PolicyFloors }> {
  for (const state of STATES)
    for (const expiresAt of [NOW - 1, NOW, NOW + 1])
      for (const minor of FLAGS)
        for (const guardianVerified of FLAGS)
          for (const held of FLAGS)
            for (const grants of GRANTS)
              for (const policyVersion of VERSIONS)
                for (const floors of FLOORS) {
                  const key = { fence: 1, revision: 0, since: "", wrappedSubjectKey: "key" };
                  yield {
                    decision: { state, expiresAt, minor, guardianVerified, held, grants, policyVersion, ...key },
                    floors,
                  };
                }
}

/** The rule written a second time in another way: bit by bit, each bit allowed only if nothing forbids it. */
function allowedBits({ decision, floors }: { decision: Decision; floors: PolicyFloors }): number {
  let bits = 0;
  for (let bit = 0; bit < 16; bit += 1) {
    const purpose = PURPOSES[bit >> 2] ?? "analytics";
    const against = [
      (decision.grants & (1 << bit)) === 0,
      decision.state !== "given",
      decision.held,
      decision.expiresAt <= NOW,
      decision.minor && (!decision.guardianVerified || purpose === "analytics"),
      decision.policyVersion < floors[purpose],
    ];
    if (!against.includes(true)) bits |= 1 << bit;
  }
  return bits;
}

describe("every combination of state, expiry, floors, minor, guardian, hold and grants", () => {
  test("grants exactly the bits that nothing forbids, and always gives a reason for a refusal", () => {
    let count = 0;
    for (const one of everyCombination()) {
      const verdict = decide(one.decision, one.floors, NOW);
      expect(verdict.grants ?? 0).toBe(allowedBits(one));
      expect(verdict.refusal === undefined).toBe((verdict.grants ?? 0) !== 0);
      count += 1;
    }
    expect(count).toBe(5 * 3 * 2 * 2 * 2 * 5 * 2 * 5);
  });
});

describe("for any decision", () => {
  test("agrees with the bit-by-bit rule", () => {
    fc.assert(
      fc.property(anyCase, anyFloors, (decision, floors) => {
        expect(decide(decision, floors, NOW).grants ?? 0).toBe(allowedBits({ decision, floors }));
      }),
    );
  });

  test("never grants more when time passes, floors rise, a hold is set or a bit is lost", () => {
    fc.assert(
      fc.property(anyCase, anyFloors, fc.nat(0xffff), (decision, floors, mask) => {
        const before = decide(decision, floors, NOW).grants ?? 0;
        const raised = { ...floors, scene: floors.scene + 1, analytics: floors.analytics + 1 };
        const later = [
          decide(decision, floors, NOW + 500),
          decide(decision, raised, NOW),
          decide({ ...decision, held: true }, floors, NOW),
          decide({ ...decision, grants: decision.grants & mask }, floors, NOW),
        ];
        for (const verdict of later) expect((verdict.grants ?? 0) & ~before).toBe(0);
      }),
    );
  });

  test("a clock or an expiry that is NaN denies", () => {
    fc.assert(
      fc.property(anyDecision, anyFloors, (decision, floors) => {
        expect(decide(decision, floors, Number.NaN).grants).toBeUndefined();
        expect(decide({ ...decision, expiresAt: Number.NaN }, floors, NOW).grants).toBeUndefined();
        expect(decide(decision, { ...DENY_ALL_FLOORS, scene: Number.NaN }, NOW).grants).toBeUndefined();
      }),
    );
  });
});

describe("the reason of a refusal", () => {
  const given: Decision = {
    state: "given",
    fence: 0,
    expiresAt: NOW + 1,
    policyVersion: 1,
    grants: 0x00ff,
    minor: false,
    guardianVerified: false,
    held: false,
    revision: 0,
    since: "",
    wrappedSubjectKey: "key",
  };
  const floors: PolicyFloors = { analytics: 1, weather: 1, scene: 1, network: 1 };
  test.each([
    ["no-consent", undefined],
    ["no-consent", { ...given, state: "requested" }],
    ["no-consent", { ...given, state: "refused" }],
    ["consent-withdrawn", { ...given, state: "withdrawn" }],
    ["consent-expired", { ...given, state: "expired" }],
    ["consent-expired", { ...given, expiresAt: NOW }],
    ["guardian-missing", { ...given, minor: true }],
    ["legal-hold", { ...given, held: true }],
    ["purpose-denied", { ...given, grants: 0 }],
    ["purpose-denied", { ...given, grants: 0x000f, minor: true, guardianVerified: true }],
    ["policy-superseded", { ...given, policyVersion: 0 }],
  ] as const)("%s", (refusal, decision) => {
    expect(decide(decision, floors, NOW)).toEqual({ refusal });
  });

  test("is policy-superseded when no floors can be read", () => {
    expect(decide(given, DENY_ALL_FLOORS, NOW)).toEqual({ refusal: "policy-superseded" });
  });
});
