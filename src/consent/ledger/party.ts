/** A subject's party status: minor or not, and the guardian on file. It is compared after a loss of data in Redis. */
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

/** What must be recorded outside Redis about an event: nothing about an adult who stays an adult. */
export function partyToNote(
  before: SubjectState,
  event: ConsentEvent,
  after: SubjectState,
): PartyStatement | undefined {
  const party = partyOf(after);
  if (!sameParty(partyOf(before), party)) return party;
  // Recorded again, in case it was stated before but not recorded.
  const stated = "minor" in event && (event.minor !== undefined || event.guardian !== undefined);
  return stated && after.minor ? party : undefined;
}

function guardianText({ guardian }: PartyStatement): string {
  return guardian === undefined ? "" : JSON.stringify([guardian.verified, guardian.method, guardian.evidenceRef]);
}
