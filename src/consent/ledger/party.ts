/** Who a subject is as a party to consent: a minor or not, and the guardian on file. What outlives a loss is compared by it. */
import type { ConsentEvent, PartyStatement } from "../../model/consent-record.ts";
import type { SubjectState } from "./subject-state.ts";

export function partyOf({ minor, guardian }: Pick<SubjectState, "minor" | "guardian">): PartyStatement {
  if (guardian === undefined) return { minor };
  const { status, verificationMethod, tokenRef } = guardian;
  const verified = status === "verified";
  return {
    minor,
    guardian: { verified, method: verificationMethod, ...(tokenRef !== undefined && { evidenceRef: tokenRef }) },
  };
}

export function sameParty(left: PartyStatement, right: PartyStatement): boolean {
  return left.minor === right.minor && guardianText(left) === guardianText(right);
}

/** What must be noted down outside Redis about an event: nothing about an adult who stays one. */
export function partyToNote(
  before: SubjectState,
  event: ConsentEvent,
  after: SubjectState,
): PartyStatement | undefined {
  const party = partyOf(after);
  if (!sameParty(partyOf(before), party)) return party;
  // Again, should it have been said before and not been noted.
  const stated = "minor" in event && (event.minor !== undefined || event.guardian !== undefined);
  return stated && after.minor ? party : undefined;
}

function guardianText({ guardian }: PartyStatement): string {
  return guardian === undefined ? "" : JSON.stringify([guardian.verified, guardian.method, guardian.evidenceRef]);
}
