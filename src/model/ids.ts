/**
 * Identifiers, branded so that one kind can never be passed for another.
 *
 * The rule the types enforce: a `DeviceId` or `SubjectId` is personal and lives in memory only;
 * what may rest in Redis is a `DeviceKey` or `SubjectTag` (keyed hashes); what may leave towards a
 * store or a service is a `Pseudonym` (per purpose, per epoch) or a `CellId`.
 */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Device id as the device and the account service write it: `[A-Za-z0-9_.:-]{1,128}`. Personal. */
export type DeviceId = Branded<"DeviceId">;
/** Opaque id of a data subject, issued by the account service; same alphabet. Personal. */
export type SubjectId = Branded<"SubjectId">;
/** 22 base64url characters: HMAC-SHA-256(lookup key, device id) truncated to 128 bits. */
export type DeviceKey = Branded<"DeviceKey">;
/** 22 base64url characters: HMAC-SHA-256(lookup key, subject id) truncated to 128 bits; the Redis hash tag. */
export type SubjectTag = Branded<"SubjectTag">;
/**
 * 22 base64url characters: what a device is called on the wire in a dialect, of itself or by its hub, as HMAC-SHA-256 (lookup key,
 * device key of the connection, alias) truncated to 128 bits. An alias is personal: often it is a person's name.
 */
export type AliasMac = Branded<"AliasMac">;
/** 22 base64url characters naming a device for one purpose and one epoch only. */
export type Pseudonym = Branded<"Pseudonym">;
/** H3 index of resolution 6 or coarser. */
export type CellId = Branded<"CellId">;

const ID = /^[A-Za-z0-9_.:-]{1,128}$/;

/** Accepts a device id from outside; `undefined` when it is not one. */
export function DeviceId(text: string): DeviceId | undefined {
  return ID.test(text) ? (text as DeviceId) : undefined;
}

/** Accepts a subject id from outside; `undefined` when it is not one. */
export function SubjectId(text: string): SubjectId | undefined {
  return ID.test(text) ? (text as SubjectId) : undefined;
}

/** Where a device's consent is found: its key, and the tag of the subject it is bound to. */
export interface DeviceRef {
  readonly deviceKey: DeviceKey;
  readonly subjectTag: SubjectTag;
  /** For a message in the queue: the state of the subject's ledger under which it was admitted. */
  readonly revision?: number | undefined;
}
