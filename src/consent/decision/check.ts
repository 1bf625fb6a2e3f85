/**
 * Whether each of these devices' messages may be used, and for what: one round trip for a whole batch, and the rule
 * applied to each answer. Called at admission, and again right before any write.
 */
import { type CheckConsent, type Decision, NO_SUBJECT_KEY, type Verdict } from "../../model/consent.ts";
import { decide } from "./decide.ts";
import type { ConsentGate } from "./gate.ts";
import { heldSince } from "./uninterrupted.ts";

export function consentCheck(gate: Pick<ConsentGate, "read">): CheckConsent {
  return async (devices) => {
    const { decisions, floors } = await gate.read(devices);
    const now = Date.now();
    return decisions.map((decision, index): Verdict => {
      const verdict = decide(decision, floors, now);
      if (decision === undefined || verdict.refusal !== undefined) {
        return { refusal: verdict.refusal ?? "no-consent", wrappedSubjectKey: keyOf(decision) };
      }
      const { revision, wrappedSubjectKey, policyVersion } = decision;
      const admitted = devices[index]?.revision ?? revision;
      // What was withdrawn while a message waited stays withdrawn for it, even after a later consent.
      const grants = admitted === revision ? verdict.grants : verdict.grants & heldSince(decision.since, admitted);
      if (grants === 0) return { refusal: "consent-withdrawn", wrappedSubjectKey: keyOf(decision) };
      return { grants, wrappedSubjectKey, revision, policyVersion };
    });
  };
}

function keyOf(decision: Decision | undefined): string | undefined {
  return decision?.wrappedSubjectKey === NO_SUBJECT_KEY ? undefined : decision?.wrappedSubjectKey;
}
