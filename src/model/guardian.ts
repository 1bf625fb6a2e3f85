/**
 * Who may speak as the guardian of a subject: whoever is on file. Verification itself is the account
 * service's; here it is made sure that it was this child's guardian who was verified.
 */
import type { Actor, Guardian } from "./consent-record.ts";

export interface GuardianClaim {
  readonly by?: Actor | undefined;
  readonly guardian?: { readonly evidenceRef?: string | undefined } | undefined;
  /** The one on file, named to act as them or to replace them. */
  readonly guardianRef?: string | undefined;
}

/** Whether the claim is another guardian's than the one on file. Without a reference on file nothing can be compared. */
export function isForeignGuardian(onFile: Guardian | undefined, claim: GuardianClaim): boolean {
  const known = onFile?.verified === true ? onFile.evidenceRef : undefined;
  if (known === undefined || (claim.by !== "guardian" && claim.guardian === undefined)) return false;
  return (claim.guardianRef ?? claim.guardian?.evidenceRef) !== known;
}
