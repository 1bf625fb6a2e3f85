/**
 * What a policy version says, in a form that can be compared: purposes with their terms, and the
 * statements people read.
 */
import { z } from "zod";
import { COMMAND_NAMES } from "./command.ts";
import { countryCode, LEGAL_BASES, languageTag } from "./consent-record.ts";
import { contact } from "./contact.ts";
import { CATEGORIES, PURPOSES, type Purpose } from "./purposes.ts";

export const MAX_POLICY_BYTES = 256 * 1024;
export const MAX_POLICY_VERSION = 100_000;

/**
 * `minor` leaves every consent as it is. `material` suspends the purposes it affects until people consent again.
 * `reconfirm` asks them to say yes once more, to nothing wider, and suspends only when the day has passed.
 */
export const CHANGE_KINDS = ["first", "minor", "material", "reconfirm"] as const;

/** `2.4-1` is the first item of the list in 2.4; `10 rights` the part of clause 10 that is about rights. */
const CLAUSE = /^(?:preamble|[0-9]{1,2}(?:\.[0-9]{1,2}){0,2}(?:-[0-9]{1,2})?(?: [a-z]{1,16})?)$/;
const text = z.string().min(1).max(4_000);
const terms = z.strictObject({
  description: text,
  basis: z.enum(LEGAL_BASES),
  categories: z.array(z.enum(CATEGORIES)).min(1).max(CATEGORIES.length),
  /** Names of recipients or of kinds of recipients, never of a person. */
  recipients: z.array(z.string().min(1).max(128)).max(32),
  /** Days that the result is kept; 0: passed on and not kept. */
  retentionDays: z.number().int().min(0).max(3_650),
  regions: z.array(countryCode).min(1).max(64),
});
const sceneTerms = terms.extend({
  /** What services may have devices do. Absent: all that the table of commands has. */
  commands: z.array(z.enum(COMMAND_NAMES)).max(COMMAND_NAMES.length).optional(),
  /** Services hear which devices are of one home. The description has to say so. */
  homes: z.literal(true).optional(),
});
export type PolicyTerms = z.infer<typeof terms> & Partial<Pick<z.infer<typeof sceneTerms>, "commands" | "homes">>;

export const policyDocument = z.strictObject({
  schemaVersion: z.literal(1),
  version: z.number().int().min(1).max(MAX_POLICY_VERSION),
  /** ISO 8601 date. */
  effectiveFrom: z.iso.date(),
  language: languageTag,
  title: z.string().min(1).max(200),
  /** Whom people write to. A version that names another one is no minor change. */
  contact: contact.optional(),
  /** The text that people were shown, from which the terms and statements here are derived. */
  source: z
    .strictObject({
      title: z.string().min(1).max(200),
      /** ISO 8601 date that the text gives itself. */
      updated: z.iso.date(),
      /** Where the text lies, beside this document. */
      file: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/),
      /** Of its bytes, in hex. */
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    })
    .optional(),
  change: z
    .strictObject({
      kind: z.enum(CHANGE_KINDS),
      summary: text,
      /** Purposes that a change concerns: a material one beyond those whose terms widen. Absent: all of them. */
      affects: z.array(z.enum(PURPOSES)).min(1).max(PURPOSES.length).optional(),
      /** Last day (UTC) on which consent to an earlier version still counts; with `reconfirm` alone. */
      confirmBy: z.iso.date().optional(),
    })
    .refine(({ kind, confirmBy }) => (kind === "reconfirm") === (confirmBy !== undefined), { path: ["confirmBy"] }),
  purposes: z.strictObject({
    analytics: terms.optional(),
    weather: terms.optional(),
    scene: sceneTerms.optional(),
    network: terms.optional(),
  }),
  statements: z.array(z.strictObject({ clause: z.string().regex(CLAUSE), says: text })).max(200),
});
export type PolicyDocument = z.infer<typeof policyDocument>;

export interface PolicySummary {
  readonly version: number;
  /** SHA-256 of the published bytes, base64url. */
  readonly hash: string;
  readonly change: PolicyDocument["change"]["kind"];
  readonly effectiveFrom: string;
  /** Consent to earlier versions stopped counting for these. */
  readonly suspended: readonly Purpose[];
  readonly reconfirm?: Reconfirmation | undefined;
}

/** Devices whose consent to a purpose does not count until a newer version is agreed to. */
export type DevicesSuspended = Readonly<Record<Purpose, number>>;

/** Consent to earlier versions stops counting for these purposes at `until`, Unix ms. */
export interface Reconfirmation {
  readonly purposes: readonly Purpose[];
  readonly until: number;
}

export type PublishRefusal =
  /** Not a policy document. */
  | "policy-invalid"
  /** This version exists already, with other bytes. */
  | "policy-version-taken"
  /** Versions have no gaps: only the next one may be published. */
  | "policy-version-gap"
  /** Terms widen, so the change is not minor; or `first` stands on a later version. */
  | "policy-change-understated";

export type PublishResult =
  | { readonly refused: PublishRefusal }
  | {
      readonly refused?: undefined;
      readonly version: number;
      readonly hash: string;
      /** Consent to earlier versions stopped counting for these. */
      readonly suspended: readonly Purpose[];
      readonly reconfirm?: Reconfirmation | undefined;
    };

export interface Suspension {
  /** The version that people have to consent to. */
  readonly version: number;
  readonly purposes: Purpose[];
}

/** What of a device's consent no longer counts, and what will not unless it is said again by `until` (Unix ms). */
export interface PolicyStanding {
  readonly suspended: Suspension | undefined;
  readonly toConfirm: (Suspension & { readonly until: number }) | undefined;
}
