/**
 * What is in force for the devices of one statement, as the privacy centre shows it. Derived from the rule the gate
 * uses, so the page cannot show as used what the gate refuses, or the reverse. Pure.
 */
import type { Standing } from "../../model/centre.ts";
import { allOf, type Grants, grantsOf, type PolicyFloors } from "../../model/consent.ts";
import type { ConsentRecord } from "../../model/consent-record.ts";
import { type Category, PURPOSES, type Purpose } from "../../model/purposes.ts";
import { allowed, decide } from "../decision/decide.ts";
import { foldAll } from "./fold.ts";
import { statementsOf } from "./subject-state.ts";

export type ShownStatement = NonNullable<ConsentRecord["consent"]>;
type Choice = Partial<Record<Purpose, Category[]>>;

export interface StandingAsOf {
  readonly floors: PolicyFloors;
  /** Unix ms. */
  readonly now: number;
  /** The caller treats them as a minor, even if the record does not say so yet. */
  readonly minor: boolean;
}

const NOTHING: Standing = { state: "none", used: {}, waiting: {}, suspended: [] };

/** For the statements of one record. Legal holds are shown separately, so they are left out here. */
export function standingsOf(
  { events }: Pick<ConsentRecord, "events">,
  { floors, now, minor }: StandingAsOf,
): (statement: ShownStatement | undefined) => Standing {
  // Approval by a guardian matters for minors only.
  const statements = minor ? statementsOf(foldAll(events)) : [];
  const approved = new Set(statements.filter((one) => one.guardianApproved).map(({ recordId }) => recordId));
  return (statement) => {
    if (statement === undefined) return NOTHING;
    const { at, state, recordId, expiresAt, policyVersion } = statement;
    const given: Choice = Object.fromEntries(statement.purposes.map(({ id, categories }) => [id, [...categories]]));
    const stated = { state, expiresAt, policyVersion, grants: grantsOf(given), minor, held: false };
    const { refusal, grants = 0 } = decide({ ...stated, guardianVerified: approved.has(recordId) }, floors, now);
    if (refusal === "consent-expired") return { ...NOTHING, state: "expired", at, policyVersion };
    // A request without an answer counts as no consent.
    if (state !== "given") return { ...NOTHING, state: state === "requested" ? "none" : state, at, policyVersion };
    const unapproved = refusal === "guardian-missing";
    const waiting = only(given, allowed({ ...stated, guardianVerified: true }, now) & ~grants);
    return {
      at,
      expiresAt,
      policyVersion,
      state: unapproved ? "unapproved" : "given",
      used: only(given, grants),
      waiting,
      suspended: unapproved ? [] : PURPOSES.filter((purpose) => waiting[purpose] !== undefined),
    };
  };
}

/** The rule grants a purpose everything that was given for it, or nothing. */
function only(given: Choice, grants: Grants): Choice {
  return Object.fromEntries(Object.entries(given).filter(([purpose]) => (grants & allOf([purpose as Purpose])) !== 0));
}
