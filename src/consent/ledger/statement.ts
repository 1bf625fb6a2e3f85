/** From an event to the statement it makes, and what is left of a statement after a partial withdrawal. Pure. */
import { type Grants, grantsOf } from "../../model/consent.ts";
import type { EventOf, Guardian, PurposeTerms } from "../../model/consent-record.ts";
import type { Purpose } from "../../model/purposes.ts";
import type { Consent, SubjectState } from "./subject-state.ts";

export type StatementEvent = EventOf<"given" | "reconfirmed" | "refused" | "requested">;

/** What a statement makes of the previous one for the same devices. */
export function consentFrom(event: StatementEvent, guardian: Guardian | undefined): Consent {
  const { recordId, at, controller, jurisdiction, policyVersion, policyHash, noticeLanguage } = event;
  const notice = { recordId, at, controller, jurisdiction, policyVersion, policyHash, noticeLanguage };
  if (event.type === "refused" || event.type === "requested") {
    const expiresAt = event.type === "refused" ? (event.expiresAt ?? at) : at;
    const nothing = { purposes: [], grants: 0, guardianApproved: false, invalidated: [] };
    return { ...notice, ...nothing, state: event.type, expiresAt };
  }
  const { purposes, expiresAt } = event;
  return {
    ...notice,
    state: "given",
    purposes,
    grants: grantsIn(purposes),
    expiresAt,
    // A verification on file does not approve what the child states alone later.
    guardianApproved: guardian?.status === "verified" && (event.guardian !== undefined || event.by === "guardian"),
    invalidated: [],
  };
}

/** The guardian on file after a statement, which may name another one. */
export function guardianAfter(
  state: Pick<SubjectState, "guardian">,
  { guardian, at }: Pick<StatementEvent, "guardian" | "at">,
): Guardian | undefined {
  if (guardian === undefined) return state.guardian;
  const { verified, method, evidenceRef } = guardian;
  return {
    status: verified ? "verified" : "unverified",
    verificationMethod: method,
    ...(evidenceRef !== undefined && { tokenRef: evidenceRef }),
    at,
  };
}

/** What is withdrawn; a part left out means all of it. */
export type Withdrawal = Partial<Pick<EventOf<"withdrawn">, "devices" | "purposes" | "categories">>;

/** Returns the same object when nothing of it is withdrawn. */
export function narrowed(consent: Consent, event: Withdrawal): Consent {
  if (consent.state !== "given") return consent;
  const purposes: PurposeTerms[] = [];
  for (const terms of consent.purposes) {
    const hit = event.purposes === undefined || event.purposes.includes(terms.id);
    const categories = hit
      ? terms.categories.filter((one) => !(event.categories?.includes(one) ?? true))
      : terms.categories;
    if (categories.length > 0) purposes.push({ ...terms, categories });
  }
  const grants = grantsIn(purposes);
  if (purposes.length > 0 && grants === consent.grants) return consent;
  return { ...consent, purposes, grants, ...(purposes.length === 0 && { state: "withdrawn" as const }) };
}

/** Records the purposes a policy version suspended; what may be used follows from the floors alone. */
export function invalidated(consent: Consent, { policyVersion, purposes }: EventOf<"invalidated">): Consent {
  if (consent.state !== "given" || consent.policyVersion >= policyVersion) return consent;
  const named = consent.purposes.map(({ id }) => id);
  const fresh = purposes.filter((one) => named.includes(one) && !consent.invalidated.includes(one));
  return fresh.length === 0 ? consent : { ...consent, invalidated: [...consent.invalidated, ...fresh] };
}

function grantsIn(purposes: readonly PurposeTerms[]): Grants {
  const byPurpose: Partial<Record<Purpose, PurposeTerms["categories"]>> = {};
  for (const { id, categories } of purposes) byPurpose[id] = categories;
  return grantsOf(byPurpose);
}
