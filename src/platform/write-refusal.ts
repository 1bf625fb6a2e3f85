/**
 * Error replies of a Redis that answers but does not write: a closed set of codes, the first word of the reply. A
 * refused write has changed nothing and may be retried; after a broken connection that is unknown.
 */
const CODES = [
  /** Its memory is full. */
  "OOM",
  /** It is a replica. */
  "READONLY",
  /** It could not save its file, and refuses writes until it can: usually a full disk. */
  "MISCONF",
  /** It is still loading its file. */
  "LOADING",
  /** It has fewer replicas than required for writes. */
  "NOREPLICAS",
  /** It is a replica that has lost its master, and gives no data meanwhile. */
  "MASTERDOWN",
  /** Its cluster has lost a part. */
  "CLUSTERDOWN",
  /** A script or function blocks it. */
  "BUSY",
  /** The gateway's user has no permission. */
  "NOPERM",
  "NOAUTH",
  /** Any other error reply. */
  "ERR",
] as const;
/** `TIMEOUT`: no reply; the result of a write is unknown. */
export type WriteRefusal = (typeof CODES)[number] | "TIMEOUT";

const KNOWN: ReadonlySet<string> = new Set(CODES);
/** Older servers put the error of a command in a script into the middle of the message. */
const WITHIN = new RegExp(`-(${CODES.join("|")}) `);
const NOT_ALLOWED = /ACL failure|can't run this command/;

/** `undefined` when Redis did not answer at all. */
export function writeRefusal(error: unknown): Exclude<WriteRefusal, "TIMEOUT"> | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  const [first] = ("previousErrors" in error ? (error.previousErrors as unknown[]) : []) ?? [];
  if (first instanceof Error) return writeRefusal(first);
  if (NOT_ALLOWED.test(error.message)) return "NOPERM";
  const word = /^[A-Z]+/.exec(error.message)?.[0] ?? "";
  const code = word !== "ERR" && KNOWN.has(word) ? word : (WITHIN.exec(error.message)?.[1] ?? "ERR");
  return code as Exclude<WriteRefusal, "TIMEOUT">;
}
