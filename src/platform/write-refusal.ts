/**
 * What Redis says that answers and does not write: a closed set of codes, the first word of its reply. A refused
 * write has changed nothing and may be tried again; a connection that broke off leaves that open.
 */
const CODES = [
  /** Its memory is full. */
  "OOM",
  /** It follows another server. */
  "READONLY",
  /** It could not write its own file, and refuses more until it can: mostly a full disk. */
  "MISCONF",
  /** It still reads its file. */
  "LOADING",
  /** Fewer servers follow it than it must have before it writes. */
  "NOREPLICAS",
  /** It follows another server that it has lost, and tells nothing meanwhile. */
  "MASTERDOWN",
  /** Its cluster has lost a part. */
  "CLUSTERDOWN",
  /** A script or a function holds it up. */
  "BUSY",
  /** Our user may not. */
  "NOPERM",
  "NOAUTH",
  /** Any other reply that is an error. */
  "ERR",
] as const;
/** `TIMEOUT`: there was no reply; of a write that means nothing certain. */
export type WriteRefusal = (typeof CODES)[number] | "TIMEOUT";

const KNOWN: ReadonlySet<string> = new Set(CODES);
/** What a script met, older servers tell in the middle of a sentence. */
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
