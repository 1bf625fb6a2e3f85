/** As whom a guardian's session acts: always the guardian on file, once there is one. */
import type { GuardianInput } from "../../model/consent-change.ts";
import type { ConsentRecord } from "../../model/consent-record.ts";
import { isForeignGuardian } from "../../model/guardian.ts";
import type { Holder } from "./claims.ts";

type Role = Pick<Holder, "by" | "guardianRef" | "verification">;

export interface Authority {
  readonly by: Role["by"];
  readonly guardianRef?: string | undefined;
}

/** Somebody else's guardian comes out with a reference that the ledger refuses. */
export function authorityOf(record: ConsentRecord, { by, guardianRef, verification }: Role): Authority {
  if (by === "subject") return { by };
  const onFile = record.guardian?.verified === true ? record.guardian.evidenceRef : undefined;
  const own = verification?.evidenceRef;
  return { by, guardianRef: own !== undefined && own === onFile ? own : (guardianRef ?? own) };
}

/** To be stated beside a consent until it is on file. */
export function verificationOf(record: ConsentRecord, { by, verification }: Role): GuardianInput | undefined {
  if (by === "subject" || verification === undefined) return undefined;
  const { guardian } = record;
  const known = guardian?.verified === true && guardian.evidenceRef === verification.evidenceRef;
  return known ? undefined : { verified: true, ...verification };
}

/** Whether such a link may be made, and still stands for whom it was made. */
export function guardianRefusal(
  record: ConsentRecord,
  role: Role,
): "guardian-mismatch" | "guardian-unverified" | undefined {
  if (role.by === "subject") return undefined;
  if (isForeignGuardian(record.guardian, authorityOf(record, role))) return "guardian-mismatch";
  const somebody = record.guardian?.verified === true || role.verification !== undefined;
  return somebody ? undefined : "guardian-unverified";
}
