/** What a restore found, and what it did or would do. */
import type { AuditHead, AuditRepair } from "../../model/audit.ts";

export interface RestoreSummary {
  /** Unix ms of the backup. */
  readonly createdAt: number;
  readonly subjects: number;
  readonly credentials: number;
  readonly keys: number;
  /** Subjects whose key was destroyed since, and is not restored. */
  readonly erased: number;
  /** Subjects whose erasure begins again when a gateway starts. */
  readonly erasing: number;
  /** Subjects under a legal hold that was placed or changed since. */
  readonly held: number;
  /** Subjects whose consent is withdrawn because of what happened since, or because their key is missing. */
  readonly withdrawn: number;
  /** Devices that need a new token, because theirs was replaced since. */
  readonly tokensDropped: number;
  /** Registered services that were changed or removed since: they get nothing before they are registered again. */
  readonly servicesDropped: number;
  /** Subjects whose ledger does not verify: a new chain starts, and their consent is withdrawn. */
  readonly broken: number;
  /** Keys that no master key unwraps: rows stored under them can no longer be attributed. */
  readonly unreadable: number;
  /** Heads of the audit log recorded in the journals. */
  readonly audited: readonly AuditHead[];
  /** A policy published since is missing; until it is published again no consent counts. */
  readonly policyMissing: boolean;
  /** Findings in the archive's audit log, when it did not verify. */
  readonly auditRepair?: AuditRepair | undefined;
}
