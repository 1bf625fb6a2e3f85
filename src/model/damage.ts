/**
 * What of one person's records can be damaged: a byte changed on a disk, a key of another master key. Work that is
 * about many people goes on without such a record, and the operator is told of it without a name.
 */
import { GatewayError } from "./errors.ts";

export const DAMAGE_KINDS = [
  /** A consent ledger that does not verify. */
  "ledger",
  /** A wrapped subject key that does not open. */
  "subject-key",
  /** The record of an erasure. */
  "erasure",
  /** The proposal of a legal hold. */
  "hold",
  /** A dead letter, or the list of those of one person. */
  "dead-letter",
  /** The account of who was given a person's data. */
  "account",
  /** The credential of a device. */
  "credential",
] as const;
export type DamageKind = (typeof DAMAGE_KINDS)[number];

/** Counts it and says so in the log. Never throws. */
export type TellDamage = (kind: DamageKind) => void;

/** The kind of damage an error tells of; `undefined` for whatever concerns more than one person or passes by itself. */
export function damageIn(error: unknown): DamageKind | undefined {
  if (!(error instanceof GatewayError)) return undefined;
  if (error.code === "LEDGER_BROKEN") return "ledger";
  return error.code === "SUBJECT_KEY_UNREADABLE" ? "subject-key" : undefined;
}

/** Does it for each, one after the other; what is damaged of one keeps no one else from their turn. */
export async function forEachUndamaged<T>(
  all: Iterable<T>,
  damaged: TellDamage,
  work: (one: T) => Promise<void>,
): Promise<void> {
  for (const one of all) {
    try {
      await work(one);
    } catch (error) {
      const kind = damageIn(error);
      if (kind === undefined) throw error;
      damaged(kind);
    }
  }
}
