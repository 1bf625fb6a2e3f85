/**
 * What the audit log records: which administrative act, by which role, about which subject or device
 * under its keyed hash. Everything else is a code, a count or an opaque reference.
 */
import { z } from "zod";
import { contentHash, opaqueReference, timestampMs } from "./consent-record.ts";
import type { DeviceKey, SubjectTag } from "./ids.ts";

export const AUDIT_ACTS = [
  "token-issued",
  "children-registered",
  "child-removed",
  "device-bound",
  "device-unbound",
  "consent-requested",
  "consent-given",
  "consent-refused",
  "consent-withdrawn",
  "consent-expired",
  "consent-invalidated",
  "policy-published",
  "service-registered",
  "service-removed",
  "service-token-issued",
  "service-token-revoked",
  "http-token-created",
  "http-token-rotated",
  "http-token-revoked",
  "minor-purged",
  "erasure-requested",
  "erasure-completed",
  "hold-placed",
  "hold-approved",
  "hold-released",
  "hold-expired",
  "export",
  "link-issued",
  "link-used",
  "console-opened",
  "device-traced",
  "refusals-read",
  "configuration-reloaded",
  "retention-run",
  "backup",
  "restore",
  "schema-upgraded",
  "audit-repaired",
  "journal-replayed",
  "key-created",
  "key-rotated",
  "key-destroyed",
  "dead-letters-replayed",
  "dead-letters-purged",
] as const;
export type AuditActName = (typeof AUDIT_ACTS)[number];

/** Who acted, as a role. `operator` works on the machine itself or in the console, `gateway` is the program by itself. */
export const AUDIT_ROLES = [
  "account-service",
  "approver",
  "subject",
  "guardian",
  "authority",
  "operator",
  "gateway",
] as const;
export type AuditRole = (typeof AUDIT_ROLES)[number];

/**
 * `asked` is written before an act begins, the others once it ended; both lines stand in the log, so an
 * act that a crash cut short shows as asked and never ended. Absent: the act was over when it was written.
 */
export const AUDIT_OUTCOMES = ["asked", "done", "refused", "failed"] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** Codes, counts and opaque references; never an id, a name or an address. */
export type AuditDetail = Readonly<Record<string, number | string>>;

export interface AuditAct {
  readonly act: AuditActName;
  readonly by: AuditRole;
  readonly subject?: SubjectTag | undefined;
  readonly device?: DeviceKey | undefined;
  readonly outcome?: AuditOutcome | undefined;
  /** Index of the line that said `asked`. */
  readonly of?: number | undefined;
  readonly detail?: AuditDetail | undefined;
}

const keyedHash = z.string().regex(/^[A-Za-z0-9_-]{22}$/);

export const auditRecord = z.strictObject({
  /** Position in the log since it began; grows by one with every line. */
  index: z.number().int().nonnegative(),
  /** When it was done; a line that was late stands further down. */
  at: timestampMs,
  act: z.enum(AUDIT_ACTS),
  by: z.enum(AUDIT_ROLES),
  subject: (keyedHash as unknown as z.ZodType<SubjectTag, string>).optional(),
  device: (keyedHash as unknown as z.ZodType<DeviceKey, string>).optional(),
  outcome: z.enum(AUDIT_OUTCOMES).optional(),
  of: z.number().int().nonnegative().optional(),
  detail: z.record(z.string().regex(/^[A-Za-z]{1,32}$/), z.union([z.number(), opaqueReference])).optional(),
  /** SHA-256 of the line before. */
  prev: contentHash,
});
export type AuditRecord = z.infer<typeof auditRecord>;

/** Names one state of the log; recorded elsewhere it later proves that nothing up to there was taken away. */
export interface AuditHead {
  /** Lines written since the log began. */
  readonly next: number;
  /** SHA-256 of the last line. */
  readonly hash: string;
}

/** Lines `from` to `to - 1` were lost with Redis; where a restore says so, its own line has the number `from` now. */
export interface AuditLoss {
  readonly from: number;
  readonly to: number;
}

export type AuditProblem =
  /** The line was altered, or was not written by this gateway. */
  | "changed"
  /** The line is gone and a later one stands in its place. */
  | "missing"
  /** The line stands somewhere else, or twice. */
  | "reordered"
  /** The line and everything after it is gone. */
  | "truncated"
  /** The line does not belong to the sealed log. */
  | "unsealed"
  /** The seal itself is gone or forged; the index is that of the first line it would have covered. */
  | "seal-broken"
  /** The log is not a continuation of the head it was compared with. */
  | "rolled-back";

/** What a repair found, and what it made of the log. */
export interface AuditRepair {
  /** Of the line that says so. */
  readonly index: number;
  readonly problem: AuditProblem;
  /** The first line that was not right. */
  readonly line: number;
  /** Lines before it that stand as they did, lines behind it that were written again, and lines no one can vouch for. */
  readonly kept: number;
  readonly again: number;
  readonly left: number;
}

export type AuditVerdict =
  | {
      readonly intact: true;
      readonly first: number;
      readonly head: AuditHead;
      /** What a restore could not bring back. */
      readonly lost: readonly AuditLoss[];
      /** The log was not intact once, and says so itself. */
      readonly repairs: readonly AuditRepair[];
    }
  | {
      readonly intact: false;
      readonly index: number;
      readonly problem: AuditProblem;
      /** Of a log that was rolled back: the noted heads it does not go on from, in their order. */
      readonly missed?: readonly AuditHead[];
    };

export interface AuditPage {
  readonly records: readonly AuditRecord[];
  /** Index of the oldest line kept; older ones are past their retention. */
  readonly first: number;
  readonly head: AuditHead;
}
