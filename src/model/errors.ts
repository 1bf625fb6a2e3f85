/**
 * Every fault the gateway can raise, in one table. A message holds codes and paths, never values.
 * `docs/errors.md` lists the same rows and a test keeps the two equal.
 */
export const ERRORS = {
  CONFIG_INVALID: { retryable: false, meaning: "a configuration option is unknown, missing or out of range" },
  KEY_INVALID: { retryable: false, meaning: "a key file is missing, too short or readable by others" },
  DURABILITY_TOO_WEAK: { retryable: false, meaning: "Redis would not keep what a PUBACK promises" },
  RESIDENCY_UNSATISFIED: {
    retryable: false,
    meaning: "no store lies in a region that the residency rule demands, or one lies outside those of the policy",
  },
  SERVICE_NOT_COVERED: {
    retryable: false,
    meaning: "the newest policy does not cover a configured service: its recipient, its region or its contract",
  },
  SERVICE_UNREADABLE: {
    retryable: false,
    meaning:
      "an entry of the service registry was altered, or written under another key; the service gets nothing until it is registered again",
  },
  TOKEN_UNREADABLE: {
    retryable: false,
    meaning:
      "a named token of the HTTP interface was altered, or written under another key; it opens nothing until it is revoked and made again",
  },
  RETENTION_EXCEEDS_POLICY: {
    retryable: false,
    meaning: "data would be kept for more days than the newest policy says",
  },
  REDIS_UNREACHABLE: { retryable: false, meaning: "Redis does not answer at start; check redis.url" },
  NOT_DURABLE: { retryable: true, meaning: "a batch could not be made durable before its deadline" },
  NOT_WRITABLE: {
    retryable: true,
    meaning: "Redis answers and does not write: its memory or disk is full, it follows another server, or we may not",
  },
  REDIS_UNAVAILABLE: { retryable: true, meaning: "the consent store did not answer; nothing is admitted" },
  DEAD_LETTERS_FULL: {
    retryable: true,
    meaning: "there is no room to set more messages aside; an operator must act, their batch waits",
  },
  ENVELOPE_UNREADABLE: { retryable: false, meaning: "a sealed batch does not open: unknown key, or altered" },
  SUBJECT_KEY_UNREADABLE: {
    retryable: false,
    meaning: "a wrapped subject key does not open: another master key, or altered",
  },
  LEASE_LOST: {
    retryable: true,
    meaning: "the batch outlived its lease; nothing of it was forwarded, and it is tried again",
  },
  BATCH_LOST: {
    retryable: false,
    meaning: "the process stood still and lost a batch; whichever gateway has it now brings it to its end",
  },
  SINK_UNAVAILABLE: { retryable: true, meaning: "the store is down, busy or timed out" },
  SINK_DENIED: {
    retryable: true,
    meaning: "the store refuses our credential, database or bucket; an operator must act",
  },
  CONSENT_CONFLICT: { retryable: true, meaning: "another writer changed the same record; read again and retry" },
  LEDGER_BROKEN: {
    retryable: false,
    meaning: "a consent ledger does not verify: an event was changed, lost or reordered",
  },
  LEDGER_FULL: {
    retryable: false,
    meaning: "a consent ledger has as many events as it may; only a change that allows less can still be added",
  },
  AUDIT_BROKEN: {
    retryable: false,
    meaning: "the audit log was changed, cut short or rolled back; nothing more is written to it",
  },
  REDIS_ROLLED_BACK: {
    retryable: false,
    meaning:
      "Redis lacks what the erasure journal proves it held: it was put back to an earlier state, or emptied; nothing is served until an operator restores it",
  },
  ARCHIVE_INVALID: {
    retryable: false,
    meaning: "a backup archive is altered, cut short, of another installation, key or version",
  },
  RESTORE_REFUSED: {
    retryable: false,
    meaning: "a restore would overwrite or run beside something that is in use; nothing was changed",
  },
  RESTORE_UNFINISHED: {
    retryable: false,
    meaning: "a restore is in progress or was interrupted; nothing is served until it has ended",
  },
  JOURNAL_UNWRITABLE: {
    retryable: true,
    meaning: "the erasure journal could not be written; what it was about is not answered as done",
  },
  JOURNAL_MISSING: {
    retryable: false,
    meaning: "Redis holds subjects and the erasure journal is gone or empty: put it back, or see backup.createJournal",
  },
  JOURNAL_INVALID: {
    retryable: false,
    meaning:
      "the erasure journal is missing, altered, has a gap or was cut short; a restore could bring back what was erased",
  },
  SCHEMA_DIFFERS: {
    retryable: false,
    meaning:
      "what is stored has another schema number than this version: `npm run upgrade` takes an older one further, a newer one needs the version that wrote it",
  },
  UPGRADE_REFUSED: {
    retryable: false,
    meaning:
      "an upgrade would run beside something that is in use, or could not do all that it must; nothing was changed",
  },
  PROPERTY_CHANGED: {
    retryable: false,
    meaning:
      "a property of `status` was of another kind before, and rows of it may be stored: give the new one another name",
  },
  DIALECT_UNKNOWN: {
    retryable: false,
    meaning:
      "the credential of a device names a dialect that this gateway does not have, so that it cannot log in; see `dialects`",
  },
  KEY_IN_USE: {
    retryable: false,
    meaning: "a key still opens something, or a gateway still uses it; it is not destroyed",
  },
  LISTEN_FAILED: {
    retryable: false,
    meaning: "a listener could not be opened; another process has its port, or its address is not ours",
  },
  START_CANCELLED: { retryable: false, meaning: "a stop was asked for while starting" },
  PIPELINE_STALLED: {
    retryable: false,
    meaning: "work is waiting and nothing completes; the process exits so that its supervisor restarts it",
  },
} as const satisfies Record<string, { retryable: boolean; meaning: string }>;
export type ErrorCode = keyof typeof ERRORS;

export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** Honoured before the next attempt, when the other side asked for it. Milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** What was asked for may have happened, or may still happen: the request went out and no answer came. */
  readonly inDoubt: boolean;

  /** `detail` names a path, option or step; never a value that came from outside. */
  constructor(
    code: ErrorCode,
    detail?: string,
    options?: { cause?: unknown; retryAfterMs?: number; inDoubt?: boolean },
  ) {
    super(detail === undefined ? code : `${code}: ${detail}`, { cause: options?.cause });
    this.name = "GatewayError";
    this.code = code;
    this.retryable = ERRORS[code].retryable;
    this.retryAfterMs = options?.retryAfterMs;
    this.inDoubt = options?.inDoubt ?? false;
  }
}

/** How a command ends that met this fault: 2 when it was told something wrong, 1 for anything else. */
export function exitCodeOf({ code }: GatewayError): 1 | 2 {
  return code === "CONFIG_INVALID" || code === "KEY_INVALID" ? 2 : 1;
}
