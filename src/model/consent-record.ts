/**
 * The consent record: events as they are appended, and the record as it is shown. Field names follow
 * ISO/IEC TS 27560. Free text has no place here; `method` and `evidenceRef` are codes and opaque
 * references that the account service can resolve, and no one else; never an id, a name or an address.
 */
import { z } from "zod";
import type { DeviceKey, SubjectTag } from "./ids.ts";
import { CATEGORIES, PURPOSES } from "./purposes.ts";

/** Of events written now and of the record as shown. Chains that begin in format 1 are read as they are. */
export const SCHEMA_VERSION = 2;

/** The legal bases of the policy; there is none for marketing. */
export const LEGAL_BASES = ["consent", "contract", "legal-obligation", "legitimate-interest"] as const;
export const ACTORS = ["subject", "guardian", "authority", "controller"] as const;
export type Actor = (typeof ACTORS)[number];

/** Unix ms. */
export const timestampMs = z.number().int().nonnegative();
/** SHA-256, base64url. */
export const contentHash = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
export const methodCode = z.string().regex(/^[a-z0-9-]{1,32}$/);
/** Names evidence kept elsewhere. Never an id of a person or a device, a name or an address. */
export const opaqueReference = z.string().regex(/^[A-Za-z0-9._:/+=-]{1,128}$/);
/** BCP 47. */
export const languageTag = z.string().regex(/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3}$/);
/**
 * The same as a caller may write them today. They rest in the ledger for good, so what could be
 * a number of a person is none of them: seven digits in a row, ten in groups, an internet or a hardware address.
 * Records of before may hold such, and are read as they are.
 */
const NOBODYS = [
  /\d{7}/,
  /\d(?:[-._/]?\d){9}/,
  /\d{1,3}(?:\.\d{1,3}){3}/,
  /::/,
  /[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){3}/,
  /[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}/,
  /[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}/,
]
  .map(({ source }) => `(?!.*${source})`)
  .join("");
export const statedMethod = z.string().regex(new RegExp(`^${NOBODYS}[a-z0-9-]{1,32}$`));
export const statedReference = z.string().regex(new RegExp(`^${NOBODYS}[A-Za-z0-9._:/+=-]{1,128}$`));
/** No subtag of a language has five digits (BCP 47). */
export const statedLanguage = z.string().regex(/^(?!.*\d{5})[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3}$/);
/** ISO 3166-1 alpha-2. */
export const countryCode = z.string().regex(/^[A-Z]{2}$/);
const keyedHash = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
export const deviceKey = keyedHash as unknown as z.ZodType<DeviceKey, string>;
export const subjectTag = keyedHash as unknown as z.ZodType<SubjectTag, string>;

export const purposeTerms = z.strictObject({
  id: z.enum(PURPOSES),
  basis: z.enum(LEGAL_BASES),
  categories: z.array(z.enum(CATEGORIES)).min(1),
  recipients: z.array(z.string().min(1).max(128)),
  /** 0: passed on and not kept. */
  retentionDays: z.number().int().nonnegative(),
  regions: z.array(countryCode),
});
export type PurposeTerms = z.infer<typeof purposeTerms>;

/** As an event carries it. Format 1 knew verifications without a reference; no one can act as such a guardian. */
const guardianInEvent = z.strictObject({
  verified: z.boolean(),
  method: methodCode,
  evidenceRef: opaqueReference.optional(),
});
export const guardianStatement = guardianInEvent
  .extend({ method: statedMethod, evidenceRef: statedReference.optional() })
  .refine(({ verified, evidenceRef }) => !verified || evidenceRef !== undefined, { path: ["evidenceRef"] });

const common = {
  schemaVersion: z.literal([1, SCHEMA_VERSION]),
  recordId: z.uuid(),
  at: timestampMs,
  by: z.enum(ACTORS),
  /** Value of the fence once this event counts. */
  fence: z.number().int().nonnegative(),
  prevHash: contentHash,
  method: methodCode.optional(),
  evidenceRef: opaqueReference.optional(),
  /** The guardian on whose word this was stated. */
  guardianRef: opaqueReference.optional(),
};
/** Absent: the statement covers every device of the subject, those bound later included. */
const devices = z.array(deviceKey).min(1).max(256).optional();
const notice = {
  controller: z.string().min(1).max(128),
  policyVersion: z.number().int().positive(),
  policyHash: contentHash,
  noticeLanguage: languageTag,
  jurisdiction: z.array(countryCode).min(1).max(16),
};
const party = {
  /** Absent: as stated before. */
  minor: z.boolean().optional(),
  guardian: guardianInEvent.optional(),
};
/** As it stands; recorded outside Redis, so that no restore makes an adult of a child or brings a former guardian back. */
export const partyStatement = z.strictObject({ minor: z.boolean(), guardian: guardianInEvent.optional() });
export type PartyStatement = z.infer<typeof partyStatement>;
const terms = z.array(purposeTerms).max(PURPOSES.length);
const consented = { ...common, ...notice, ...party, devices, purposes: terms, expiresAt: timestampMs };

export const consentEvent = z.discriminatedUnion("type", [
  z.strictObject({ ...common, type: z.literal("bound"), device: deviceKey }),
  z.strictObject({ ...common, type: z.literal("unbound"), device: deviceKey }),
  z.strictObject({ ...consented, type: z.literal("given") }),
  /** Given for a newer policy version, while consent to an earlier one stood. */
  z.strictObject({ ...consented, type: z.literal("reconfirmed") }),
  z.strictObject({
    ...common,
    ...notice,
    ...party,
    type: z.literal("refused"),
    devices,
    expiresAt: timestampMs.optional(),
  }),
  /** The notice was presented, or a child asks; no one has answered, so it allows nothing. */
  z.strictObject({ ...common, ...notice, ...party, type: z.literal("requested"), devices, purposes: terms }),
  z.strictObject({
    ...common,
    /** A restore withdraws everything of a subject who has become a minor, or has another guardian, since the backup. */
    ...party,
    type: z.literal("withdrawn"),
    devices,
    /** Absent: every purpose. */
    purposes: z.array(z.enum(PURPOSES)).min(1).optional(),
    /** Absent: every category. */
    categories: z.array(z.enum(CATEGORIES)).min(1).optional(),
    /** Begins a new chain behind one that cannot be verified; `prevHash` is the hash of all that was there. */
    anew: z.literal(true).optional(),
  }),
  /** Freezes deletion and every use. Several holds can stand at a time; the same reference again replaces its terms. */
  z.strictObject({ ...common, type: z.literal("held"), ref: opaqueReference, until: timestampMs, devices }),
  /** Ends the hold of this reference; absent: all of them. */
  z.strictObject({ ...common, type: z.literal("released"), ref: opaqueReference.optional() }),
  /** Consent that has run out by `at` counts as expired from here on; it was not used since its end. */
  z.strictObject({ ...common, type: z.literal("expired") }),
  /** Recorded after the fact: a policy version for which consent to earlier ones does not count. */
  z.strictObject({
    ...common,
    type: z.literal("invalidated"),
    policyVersion: z.number().int().positive(),
    purposes: z.array(z.enum(PURPOSES)).min(1),
  }),
  /** Withdraws everything and takes the subject's key out of use; later consent begins under a new one. */
  z.strictObject({ ...common, type: z.literal("erasure-requested"), erasure: z.uuid() }),
  /** The key is destroyed and what was stored under it is gone. */
  z.strictObject({ ...common, type: z.literal("erased"), erasure: z.uuid() }),
]);
export type ConsentEvent = z.infer<typeof consentEvent>;
export type EventOf<T extends ConsentEvent["type"]> = Extract<ConsentEvent, { type: T }>;

export const legalHold = z.strictObject({ ref: opaqueReference, until: timestampMs, devices });
export type LegalHold = z.infer<typeof legalHold>;

/** Says yes to something, whether for the first time or again. */
export function isConsent(event: ConsentEvent): event is EventOf<"given" | "reconfirmed"> {
  return event.type === "given" || event.type === "reconfirmed";
}

/** What consent to earlier versions does not count for until `version` is agreed to. */
const suspension = z.strictObject({ version: z.number().int().positive(), purposes: z.array(z.enum(PURPOSES)) });

/** One statement and the terms it was made under. */
const statement = z.strictObject({
  state: z.enum(["given", "refused", "withdrawn", "expired", "requested"]),
  recordId: z.uuid(),
  at: timestampMs,
  ...notice,
  purposes: z.array(purposeTerms).readonly(),
  expiresAt: timestampMs,
  suspended: suspension.optional(),
  /** Stops counting at `until` (Unix ms), unless it is said again. */
  toConfirm: suspension.extend({ until: timestampMs }).optional(),
});
const guardian = z.strictObject({
  status: z.enum(["verified", "unverified"]),
  verificationMethod: methodCode,
  /** Names the verification; needed to act as this guardian. */
  tokenRef: opaqueReference.optional(),
  at: timestampMs,
});
export type Guardian = z.infer<typeof guardian>;

/**
 * The record as shown to the account service, and through it to the data subject: the state of today
 * with the events that led to it. Devices and subject appear under keyed hashes.
 */
export const consentRecord = z.strictObject({
  schemaVersion: z.literal(SCHEMA_VERSION),
  subject: subjectTag,
  controller: z.string(),
  fence: z.number().int().nonnegative(),
  /** The fence under the name that the record structure gives it. */
  epoch: z.number().int().nonnegative(),
  /** Hash of the last event; with it a copy of the events can be verified later. */
  head: contentHash,
  minor: z.boolean(),
  guardian: guardian.optional(),
  /** Legal holds that stand; without devices they cover all. */
  holds: z.array(legalHold),
  /** What holds for every device without a statement of its own. */
  consent: statement.optional(),
  devices: z.array(z.strictObject({ device: deviceKey, consent: statement.optional() })),
  events: z.array(consentEvent).readonly(),
});
export type ConsentRecord = z.infer<typeof consentRecord>;

/** What a statement is answered with: what holds now for the devices it was about. It does not grow with the record. */
export const statementAnswer = consentRecord.omit({ holds: true, devices: true, events: true }).extend({
  /** False: it was in force already, in the same words, and nothing was recorded. */
  recorded: z.boolean(),
});
export type StatementAnswer = z.infer<typeof statementAnswer>;

/** `device`: one of those that were named; absent when all were meant. */
export function answerOf(record: ConsentRecord, recorded: boolean, device: DeviceKey | undefined): StatementAnswer {
  const { holds: _, devices, events: __, consent, ...rest } = record;
  const own = device && devices.find((one) => one.device === device)?.consent;
  const stated = own ?? consent;
  return { ...rest, ...(stated && { consent: stated }), recorded };
}
