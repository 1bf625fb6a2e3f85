/** As whom a guardian's session acts: always the guardian on file, once there is one. */
import type { GuardianInput } from "../../model/consent-change.ts";
import type { ConsentRecord } from "../../model/consent-record.ts";
import { knownGuardian, refusedAsGuardian } from "../../model/guardian.ts";
import type { Holder } from "./claims.ts";

type Role = Pick<Holder, "by" | "guardianRef" | "verification">;

export interface Authority {
  readonly by: Role["by"];
  readonly guardianRef?: string | undefined;
}

/** For another person's guardian the reference is one that the ledger refuses. */
export function authorityOf(record: ConsentRecord, { by, guardianRef, verification }: Role): Authority {
  if (by === "subject") return { by };
  const onFile = knownGuardian(record.guardian);
  const own = verification?.evidenceRef;
  return { by, guardianRef: own !== undefined && own === onFile ? own : (guardianRef ?? own) };
}

/** To be stated beside a consent until it is on file. */
export function verificationOf(record: ConsentRecord, { by, verification }: Role): GuardianInput | undefined {
  if (by === "subject" || verification === undefined) return undefined;
  return knownGuardian(record.guardian) === verification.evidenceRef ? undefined : { verified: true, ...verification };
}

/** Whether such a link may be made, and is still valid for the guardian it was made for. */
export function guardianRefusal(
  record: ConsentRecord,
  role: Role,
): "guardian-mismatch" | "guardian-unverified" | undefined {
  if (role.by === "subject") return undefined;
  const authority = authorityOf(record, role);
  if (knownGuardian(record.guardian) !== undefined) {
    return refusedAsGuardian(record.guardian, authority) === undefined ? undefined : "guardian-mismatch";
  }
  // No guardian is on file yet: their verification is recorded with the first statement.
  return role.verification === undefined ? "guardian-unverified" : undefined;
}
