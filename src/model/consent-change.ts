/** What a data subject can state about their devices, and what the ledger answers. */

import type { Actor } from "./consent-record.ts";
import type { GuardianRefusal } from "./guardian.ts";
import type { DeviceKey, SubjectTag } from "./ids.ts";
import type { Category, Purpose } from "./purposes.ts";

/** Who said it and how; `evidenceRef` is an opaque reference, never an id, a name or an address. */
export interface Statement {
  readonly by: Actor;
  readonly method: string;
  readonly evidenceRef?: string | undefined;
  /** Names the guardian on whose authority this is stated, by the reference on file. */
  readonly guardianRef?: string | undefined;
  /** Absent: every device of the subject. */
  readonly devices?: readonly DeviceKey[] | undefined;
}

/** What is said about the person beside the statement itself. */
export interface PartyInput {
  /** Absent: as stated before. */
  readonly minor?: boolean | undefined;
  readonly guardian?: GuardianInput | undefined;
}

export interface GuardianInput {
  readonly verified: boolean;
  readonly method: string;
  /** Names the verification; without it no one can act as this guardian. */
  readonly evidenceRef?: string | undefined;
}

interface Noticed extends Statement, PartyInput {
  readonly policyVersion: number;
  readonly language: string;
  readonly jurisdiction: readonly string[];
  /** Hash of the last event when the statement was made; after any other it is refused. */
  readonly basedOn?: string | undefined;
}

export interface RefuseInput extends Noticed {
  /** Unix ms; how long the refusal is meant to last. It is recorded and ends nothing. */
  readonly expiresAt?: number | undefined;
}

/** What is asked for, before anybody has answered. */
export interface RequestInput extends Noticed {
  readonly purposes: Partial<Record<Purpose, readonly Category[] | undefined>>;
}

export interface GiveInput extends RequestInput {
  /** Unix ms; absent: as long as configured. */
  readonly expiresAt?: number | undefined;
}

/** Absent purposes or categories: all of them. */
export interface WithdrawInput extends Partial<Statement> {
  readonly purposes?: readonly Purpose[] | undefined;
  readonly categories?: readonly Category[] | undefined;
}

export type LedgerRefusal =
  | "unknown-subject"
  | "device-not-bound"
  | "policy-version-unknown"
  | "policy-superseded"
  | "purpose-not-in-policy"
  | "expiry-out-of-range"
  | "hold-unknown"
  | GuardianRefusal
  | "changed-meanwhile";

/** Dead letters of these devices of a person may be deleted now and are of no use to anyone. */
export interface Silenced {
  readonly subject: SubjectTag;
  readonly devices: readonly DeviceKey[];
}

export interface LedgerChange {
  readonly refused?: undefined;
  readonly fence: number;
  /** It was in force already, in the same words: nothing was recorded. */
  readonly repeated?: true;
  /** Some device may do less than before. */
  readonly narrowed: boolean;
  /** Bound or just unbound devices that may do nothing any more. */
  readonly silenced: readonly DeviceKey[];
}
export type LedgerAnswer = LedgerChange | { readonly refused: LedgerRefusal };
