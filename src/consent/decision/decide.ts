/**
 * May these data be used, and for what: the whole rule in one pure function. Anything missing, unreadable or not
 * provably allowed is refused.
 */
import {
  type ConsentRefusal,
  type Decision,
  type Grants,
  type PolicyFloors,
  PURPOSE_BITS,
} from "../../model/consent.ts";
import { PURPOSES } from "../../model/purposes.ts";

type Allowed =
  | { readonly grants: Grants; readonly refusal?: undefined }
  | { readonly refusal: ConsentRefusal; readonly grants?: undefined };

/** The fields of a decision that the rule reads. */
export type Decided = Pick<
  Decision,
  "state" | "expiresAt" | "policyVersion" | "grants" | "minor" | "guardianVerified" | "held"
>;

/**
 * The grants that hold at `nowMs`, or the first reason why none does. Order of reasons: no record, hold, state, expiry,
 * guardian, purposes, policy.
 */
export function decide(decision: Decided | undefined, floors: PolicyFloors, nowMs: number): Allowed {
  if (decision === undefined) return { refusal: "no-consent" };
  if (decision.held) return { refusal: "legal-hold" };
  if (decision.state === "withdrawn") return { refusal: "consent-withdrawn" };
  if (decision.state === "expired") return { refusal: "consent-expired" };
  if (decision.state !== "given") return { refusal: "no-consent" };
  // Written so that an expiry or a clock that is NaN also denies.
  if (!(decision.expiresAt > nowMs)) return { refusal: "consent-expired" };
  if (decision.minor && !decision.guardianVerified) return { refusal: "guardian-missing" };

  // A minor's data serve the household, never analytics, with or without a guardian.
  const offered = decision.minor ? decision.grants & ~PURPOSE_BITS.analytics : decision.grants;
  if (offered === 0) return { refusal: "purpose-denied" };
  const grants = offered & bitsAbove(floors, decision.policyVersion);
  return grants === 0 ? { refusal: "policy-superseded" } : { grants };
}

const NO_FLOORS: PolicyFloors = { analytics: 0, weather: 0, scene: 0, network: 0 };

/** What the subject allows at `nowMs`, regardless of policy changes since. */
export function allowed(decision: Decided | undefined, nowMs: number): Grants {
  return decide(decision, NO_FLOORS, nowMs).grants ?? 0;
}

/** The bits of all purposes whose floor this policy version reaches. */
function bitsAbove(floors: PolicyFloors, policyVersion: number): Grants {
  let bits = 0;
  for (const purpose of PURPOSES) if (policyVersion >= floors[purpose]) bits |= PURPOSE_BITS[purpose];
  return bits;
}
