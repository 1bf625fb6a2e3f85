/**
 * What an erasure is made of: the facts it starts from, the steps it takes, the status it shows, and the
 * receipt that says what was done. No shape in here has a place for a device, a subject or a pseudonym.
 */
import { z } from "zod";
import { type Actor, contentHash, timestampMs } from "./consent-record.ts";
import { contact } from "./contact.ts";
import type { DeviceKey, SubjectTag } from "./ids.ts";
import { type Purpose, SERVICE_PURPOSES } from "./purposes.ts";

export const RECEIPT_SCHEMA_VERSION = 1;

/** Taken from the ledger when the erasure is asked for. Stays in Redis until the erasure is complete. */
export interface ErasureFacts {
  /** Every device that was ever bound to the subject. */
  readonly devices: readonly DeviceKey[];
  /** Every purpose that was consented to since the erasure before. */
  readonly purposes: readonly Purpose[];
  /** Unix ms; nothing can have been stored earlier. Absent: nothing was ever consented to. */
  readonly since?: number | undefined;
  /** Of the latest consent. */
  readonly policyVersion?: number | undefined;
  /** The ledger could not be verified: these are the widest facts there can be. */
  readonly unverified?: true | undefined;
  /** A key under which something can be stored was lost in a restore; the one in use is another. */
  readonly keyLost?: true | undefined;
}

/** What a lease concerns under which something of this subject is deleted: a legal hold waits for it, nothing else does. */
export function deletionOf(tag: SubjectTag): SubjectTag {
  return `${tag}/deletion` as SubjectTag;
}

/** The same where it is not known before whose it is: a legal hold on anybody waits for it. */
export const DELETION_OF_ALL = "*/deletion" as SubjectTag;

/** In this order; each is done again from its beginning when a process ends in the middle of it. */
export const ERASURE_STEPS = [
  /** Until no batch that began before the request can write any more. */
  "drain",
  /** Until every batch that was in the queue by then is settled, its messages refused. */
  "backlog",
  "delete",
  /** Once more, after whatever the store was still carrying out. */
  "sweep",
  "dead-letters",
  /** Which names the services know: sealed, because after the next step no one can derive them again. */
  "notices",
  "destroy-key",
  "notify",
  "receipt",
  /** Services that did not answer in time are reminded; the last answer makes a new receipt. */
  "remind",
] as const;
export type ErasureStep = (typeof ERASURE_STEPS)[number];

export const ERASURE_OUTCOMES = ["deleted", "unlinkable"] as const;
export type ErasureOutcome = (typeof ERASURE_OUTCOMES)[number];

/** `unexpected`: not of an erasure that waits for it. `denied`: malformed, or of a service without that purpose. */
export const ERASURE_ANSWERS = ["accepted", "unexpected", "denied"] as const;
export type ErasureAnswer = (typeof ERASURE_ANSWERS)[number];

const sinkResult = z.strictObject({
  name: z.string(),
  region: z.string(),
  /** Rows found before they were deleted; of rows with different fields at least as many as the commonest field has. */
  rowsDeleted: z.number().int().nonnegative(),
  /** Present when not all of them could be counted before they were deleted. */
  uncounted: z.literal(true).optional(),
  /** A query found nothing left. */
  verified: z.boolean(),
  /** `unlinkable`: the store cannot delete rows, or their names could not be worked out; without the key no one can tell whose they are. */
  method: z.enum(["deleted", "unlinkable"]),
});
export type SinkResult = z.infer<typeof sinkResult>;

const serviceResult = z.strictObject({
  purpose: z.enum(SERVICE_PURPOSES),
  /** Services of this purpose that were sent the names to forget. */
  notified: z.number().int().nonnegative(),
  /** Of all services of this purpose that had got names which they may still hold. */
  acknowledged: z.number().int().nonnegative(),
  unacknowledged: z.number().int().nonnegative(),
  /** Of those that have not answered: for so many the names wait for the next digest, which leaves by then (Unix ms). */
  waiting: z.number().int().positive().optional(),
  notifyBy: timestampMs.optional(),
  /** Ids under which the names were sent, with those of others; an id belongs to one service of one purpose. */
  notices: z.array(z.uuid()).optional(),
});
export type ServiceResult = z.infer<typeof serviceResult>;

export const receipt = z.strictObject({
  schemaVersion: z.literal(RECEIPT_SCHEMA_VERSION),
  /** Id of the erasure. */
  id: z.uuid(),
  controller: z.string(),
  /** Whom to write to about it; absent where no one was named. */
  contact: contact.optional(),
  requestedAt: timestampMs,
  completedAt: timestampMs,
  sinks: z.array(sinkResult),
  services: z.array(serviceResult),
  /** Services that had got data of the subject and are not configured any more: no one could tell them to forget. */
  untold: z.array(z.strictObject({ purpose: z.enum(SERVICE_PURPOSES), recipient: z.string() })).optional(),
  keyDestroyed: z.boolean(),
  /** Of the last consent; 0 when nothing was ever consented to. */
  policyVersion: z.number().int().nonnegative(),
  /** Hash of the event that closes the erasure in the consent ledger. */
  ledgerHead: contentHash,
  /** Present when the consent record could not be verified: then everything that could be the subject's was erased. */
  record: z.literal("unverifiable").optional(),
  /** Hash of the receipt this one replaces. */
  prev: contentHash.optional(),
});
export type Receipt = z.infer<typeof receipt>;

/** JSON Web Signature, flattened, with the payload detached: the payload is the canonical JSON of `receipt`. */
export const signedReceipt = z.strictObject({
  receipt,
  /** Base64url of `{"alg":"EdDSA","kid":…,"typ":…}`. */
  protected: z.string(),
  /** Base64url, Ed25519 over `protected` + "." + base64url(payload). */
  signature: z.string(),
});
export type SignedReceipt = z.infer<typeof signedReceipt>;

export const erasureStatus = z.strictObject({
  id: z.uuid(),
  /** `held`: a legal hold keeps it from going on. */
  state: z.enum(["held", "running", "completed"]),
  /** What it is at, or waits to begin with. */
  step: z.enum(ERASURE_STEPS).optional(),
  requestedAt: timestampMs,
  /** When everything under our own control was done. */
  completedAt: timestampMs.optional(),
  /** When the hold ends by itself, if it is held. */
  heldUntil: timestampMs.optional(),
  /** Why it can't go on at the moment, and since when: a code of the errors, or `BACKLOG`, `LEASES`: what was admitted before is not settled. */
  waiting: z.strictObject({ code: z.string(), since: timestampMs }).optional(),
  services: z.array(serviceResult),
  receipt: signedReceipt.optional(),
});
export type ErasureStatus = z.infer<typeof erasureStatus>;

export const ERASURE_STATES = ["held", "running", "completed"] as const satisfies readonly ErasureStatus["state"][];
/** Without a receipt. */
export const OPEN_ERASURE_STATES = ["running", "held"] as const;
export type OpenErasureState = (typeof OPEN_ERASURE_STATES)[number];

/** As a verifier needs it. */
export const receiptKey = z.strictObject({
  kid: z.string(),
  alg: z.literal("EdDSA"),
  pem: z.string(),
  jwk: z.strictObject({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string() }),
});
export type ReceiptKey = z.infer<typeof receiptKey>;

/** The present key, and every key there ever was, the present one first. */
export const receiptKeySet = receiptKey.extend({ keys: z.array(receiptKey) });

export interface ErasureRequest {
  readonly by: Actor;
  readonly method: string;
  readonly evidenceRef?: string | undefined;
  /** The guardian who asks, when it is one. */
  readonly guardianRef?: string | undefined;
}
