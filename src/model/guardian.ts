/**
 * Who may speak as the guardian of a subject: the verified one on file, named by the reference of the
 * verification. Verification itself is the account service's; here it is made sure that it was this child's
 * guardian who was verified, and that only the account service says that a child has come of age.
 */
import type { Actor, Guardian } from "./consent-record.ts";

export interface GuardianClaim {
  readonly by?: Actor | undefined;
  /** A verification that the statement itself carries. */
  readonly guardian?: { readonly verified: boolean; readonly evidenceRef?: string | undefined } | undefined;
  /** The one on file, named to act as them or to replace them. */
  readonly guardianRef?: string | undefined;
}

export type GuardianRefusal =
  /** Another verified guardian is on file than the one named. */
  | "guardian-mismatch"
  /** None that could be compared is on file, and the statement verifies none. */
  | "guardian-not-on-file"
  /** Only the account service, with evidence, ends a minority. */
  | "still-a-minor";

/** The reference by which the guardian on file is named; `undefined` while none is verified. */
export function knownGuardian(onFile: Guardian | undefined): string | undefined {
  return onFile?.status === "verified" ? onFile.tokenRef : undefined;
}

/** Why the claim to be, or to name, this subject's guardian does not hold. Fails closed: what cannot be compared is refused. */
export function refusedAsGuardian(
  onFile: Guardian | undefined,
  { by, guardian, guardianRef }: GuardianClaim,
): Exclude<GuardianRefusal, "still-a-minor"> | undefined {
  if (by !== "guardian" && guardian === undefined) return undefined;
  const known = knownGuardian(onFile);
  if (known !== undefined) {
    return (guardianRef ?? guardian?.evidenceRef) === known ? undefined : "guardian-mismatch";
  }
  if (by !== "guardian") return undefined;
  const verified = guardian?.verified === true ? guardian.evidenceRef : undefined;
  return verified !== undefined && (guardianRef ?? verified) === verified ? undefined : "guardian-not-on-file";
}

/** Whether a statement may end a minority: as what the account service knows, not as what anybody consents to. */
export function endsMinority(statement: {
  readonly type: string;
  readonly by: Actor;
  readonly evidenceRef?: string | undefined;
}): boolean {
  const { type, by, evidenceRef } = statement;
  return type === "requested" && (by === "controller" || by === "authority") && evidenceRef !== undefined;
}
