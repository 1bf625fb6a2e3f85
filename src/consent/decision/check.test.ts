/** The consent check's answer for a device, which always includes the key that finds earlier rows. */
import { describe, expect, it } from "vitest";
import { allOf, type Decision, NO_SUBJECT_KEY } from "../../model/consent.ts";
import type { DeviceKey, DeviceRef, SubjectTag } from "../../model/ids.ts";
import { consentCheck } from "./check.ts";
import { encodeSince } from "./uninterrupted.ts";

const SCENE = allOf(["scene"]);
const NO_FLOORS = { analytics: 0, weather: 0, scene: 0, network: 0 };

const given: Decision = {
  state: "given",
  fence: 0,
  expiresAt: Date.now() + 60_000,
  policyVersion: 1,
  grants: SCENE,
  minor: false,
  guardianVerified: false,
  held: false,
  revision: 3,
  since: encodeSince([{ revision: 3, bits: SCENE }]),
  wrappedSubjectKey: "wrapped",
};

async function verdictOf(decision: Decision | undefined, admittedAt?: number) {
  const device: DeviceRef = { deviceKey: "d" as DeviceKey, subjectTag: "s" as SubjectTag, revision: admittedAt };
  const check = consentCheck({ read: async () => ({ decisions: [decision], floors: NO_FLOORS, plan: [] }) as never });
  return (await check([device]))[0];
}

describe("the consent check", () => {
  it("returns the grants, the key, the revision and the version that was consented to", async () => {
    expect(await verdictOf(given, 3)).toEqual({
      grants: SCENE,
      wrappedSubjectKey: "wrapped",
      revision: 3,
      policyVersion: 1,
    });
    expect(await verdictOf(given)).toEqual({
      grants: SCENE,
      wrappedSubjectKey: "wrapped",
      revision: 3,
      policyVersion: 1,
    });
  });

  it("refuses a message admitted before a withdrawal and a new consent, and returns the key of its earlier rows", async () => {
    expect(await verdictOf(given, 1)).toEqual({ refusal: "consent-withdrawn", wrappedSubjectKey: "wrapped" });
  });

  it("returns the key with every other refusal too, if there is one", async () => {
    expect(await verdictOf({ ...given, state: "withdrawn" }, 3)).toEqual({
      refusal: "consent-withdrawn",
      wrappedSubjectKey: "wrapped",
    });
    expect(await verdictOf({ ...given, held: true, wrappedSubjectKey: NO_SUBJECT_KEY })).toEqual({
      refusal: "legal-hold",
      wrappedSubjectKey: undefined,
    });
    expect(await verdictOf(undefined)).toEqual({ refusal: "no-consent", wrappedSubjectKey: undefined });
  });
});
