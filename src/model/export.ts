/**
 * The lines of an export: everything held for one data subject, one JSON object a line. Devices appear under
 * their keyed hashes, and the last line tells a whole download from one that was cut off.
 */
import { z } from "zod";
import type { ConsentRefusal } from "./consent.ts";
import { consentRecord, deviceKey, opaqueReference, subjectTag, timestampMs } from "./consent-record.ts";
import { contact } from "./contact.ts";
import { deviceConnection } from "./device-connection.ts";
import { signedReceipt } from "./erasure.ts";
import type { GuardianRefusal } from "./guardian.ts";
import type { DeviceKey } from "./ids.ts";
import { DEAD_LETTER_REASONS, type DeadLetterReason } from "./outcome.ts";
import { CATEGORIES, PURPOSES, SERVICE_PURPOSES } from "./purposes.ts";

export const EXPORT_FORMAT = 1;
/** Who may ask for an export; also names whose right it is. */
export const EXPORT_ASKERS = ["subject", "guardian"] as const;

const refusals = [
  "no-consent",
  "consent-withdrawn",
  "consent-expired",
  "policy-superseded",
  "guardian-missing",
  "legal-hold",
  "purpose-denied",
] as const satisfies readonly ConsentRefusal[];
const reasons = Object.keys(DEAD_LETTER_REASONS) as [DeadLetterReason, ...DeadLetterReason[]];
const statusFields = z.record(z.string(), z.union([z.number(), z.boolean(), z.string()]));
const byPurpose = z.partialRecord(z.enum(PURPOSES), z.array(z.enum(CATEGORIES)));
const coordinates = z.strictObject({ lat: z.number(), lon: z.number() });
/** Unix ns in decimal; a JSON number cannot hold them. */
const timestampNs = z.string().regex(/^\d{1,20}$/);

const head = z.strictObject({
  kind: z.literal("export"),
  format: z.literal(EXPORT_FORMAT),
  /** What came later is not in the export. */
  at: timestampMs,
  controller: z.string(),
  /** Whom to write to about it; absent where no one is named. */
  contact: contact.optional(),
  subject: subjectTag,
  by: z.enum(EXPORT_ASKERS),
  /** A key of the subject is gone: what was stored under it cannot be found, so it may be there and not be here. */
  incomplete: z.literal("key-lost").optional(),
});

const record = z.strictObject({ kind: z.literal("consent-record"), record: consentRecord });

const device = z.strictObject({
  kind: z.literal("device"),
  device: deviceKey,
  /** False: it was, and what it said while it was may still be there. */
  bound: z.boolean(),
  /** Which of the device parameters of the request this is, counted from 0. */
  asked: z.number().int().nonnegative().optional(),
  /** As the caller names it. */
  label: z.string().optional(),
  /** How it reaches the gateway, where that is not by itself in the gateway's own contract. */
  connection: deviceConnection.optional(),
});

const decision = z.strictObject({
  kind: z.literal("decision"),
  device: deviceKey,
  state: z.enum(["given", "refused", "withdrawn", "expired", "requested"]),
  given: byPurpose,
  /** What of it is used at this moment; nothing when `refusal` says why. */
  used: byPurpose,
  refusal: z.enum(refusals).optional(),
  /** Purposes for which a newer policy version asks for consent again. */
  suspended: z.array(z.enum(PURPOSES)),
  policyVersion: z.number().int().nonnegative(),
  expiresAt: timestampMs,
  minor: z.boolean(),
  guardianVerified: z.boolean(),
  held: z.boolean(),
});

/** `device_location`: one row for each device and epoch. */
const location = z.strictObject({
  kind: z.literal("location"),
  device: deviceKey,
  /** H3 index. */
  cell: z.string(),
  resolution: z.number(),
  epochStart: timestampMs,
  /** Middle of the cell; where in the cell the device is, no one knows. */
  center: coordinates.optional(),
});

/** Noted of where a device is, sealed, until it is stored together with others or forgotten; not in the store. */
const notedPlace = z.strictObject({
  kind: z.literal("noted-place"),
  device: deviceKey,
  /** H3 index. */
  cell: z.string(),
  resolution: z.number(),
  at: timestampMs,
  center: coordinates.optional(),
  /** The last one of an earlier day. */
  before: z.strictObject({ cell: z.string(), at: timestampMs }).optional(),
});

const notedValue = z.strictObject({ text: z.string(), at: timestampMs });

/** Noted for network services, sealed, and told to them until the end of the day after it was said last; not in the store. */
const notedNetwork = z.strictObject({
  kind: z.literal("noted-network"),
  device: deviceKey,
  /** Kind of device. */
  model: notedValue.optional(),
  /** The part of the network address that may be told. */
  ipPrefix: notedValue.optional(),
});

/** Kept for scene services that subscribe later, sealed: what they may hear of the last message, as long as that is current; not in the store. */
const notedScene = z.strictObject({
  kind: z.literal("noted-scene"),
  device: deviceKey,
  at: timestampMs,
  /** Kind of device. */
  model: z.string().optional(),
  status: statusFields,
});

/** `device_status`: one row for each reading. */
const status = z.strictObject({
  kind: z.literal("status"),
  device: deviceKey,
  at: timestampMs,
  timeNs: timestampNs,
  model: z.string().optional(),
  status: statusFields,
});

/** What a reading of this export is, and how exactly it is kept; one line for each that occurs. */
const property = z.strictObject({
  kind: z.literal("property"),
  /** The key in `status`. */
  name: z.string(),
  label: z.string(),
  unit: z.string().optional(),
  /** A counter: a value is what was added since the one before. */
  added: z.literal(true).optional(),
  stored: z.string(),
  scene: z.string(),
  weather: z.string().optional(),
});

/** A message that could not be processed, kept sealed for an operator. */
const setAside = z.strictObject({
  kind: z.literal("set-aside"),
  device: deviceKey,
  at: timestampMs,
  reason: z.enum(reasons),
  /** As the device said it. */
  message: z.strictObject({
    at: timestampMs,
    model: z.string().optional(),
    ip: z.string().optional(),
    location: coordinates.optional(),
    status: statusFields.optional(),
  }),
});

const disclosure = z.strictObject({
  kind: z.literal("disclosure"),
  recipient: z.string(),
  purpose: z.enum(SERVICE_PURPOSES),
  /** UTC, YYYY-MM-DD. */
  day: z.string(),
  /** At least so many messages. */
  count: z.number().int().nonnegative(),
  region: z.string(),
  contract: z.string().optional(),
});

const hold = z.strictObject({ kind: z.literal("hold"), reference: opaqueReference, until: timestampMs });

const erasure = z.strictObject({
  kind: z.literal("erasure"),
  id: z.uuid(),
  state: z.enum(["held", "running", "completed"]),
  requestedAt: timestampMs,
  completedAt: timestampMs.optional(),
  receipt: signedReceipt.optional(),
});

const counts = z.strictObject({
  devices: z.number().int(),
  locations: z.number().int(),
  statuses: z.number().int(),
  setAside: z.number().int(),
  disclosures: z.number().int(),
});

const end = z.strictObject({
  kind: z.literal("end"),
  counts,
  /** Hexadecimal, over every byte before this line: `head -n -1 file | sha256sum`. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** Whatever the store and the ledgers hold; the `end` is added as the lines are written. */
export const exportItem = z.discriminatedUnion("kind", [
  head,
  record,
  device,
  decision,
  notedPlace,
  notedNetwork,
  notedScene,
  location,
  status,
  property,
  setAside,
  disclosure,
  hold,
  erasure,
]);
export type ExportItem = z.infer<typeof exportItem>;
export const exportLine = z.discriminatedUnion("kind", [...exportItem.options, end]);
export type ExportLine = z.infer<typeof exportLine>;
export type ExportLineOf<K extends ExportLine["kind"]> = Extract<ExportLine, { kind: K }>;

export interface ExportRequest {
  readonly by: (typeof EXPORT_ASKERS)[number];
  /** The guardian on file, named to act as them. */
  readonly guardianRef?: string | undefined;
  /** Devices whose key the caller wants to know, in the order of the parameters. */
  readonly asked?: readonly DeviceKey[] | undefined;
  readonly labels?: ReadonlyMap<DeviceKey, string> | undefined;
}

export type ExportRefusal =
  | "unknown-subject"
  | Exclude<GuardianRefusal, "still-a-minor">
  | "device-not-bound"
  | "too-many-exports";

export type BegunExport =
  | { readonly refused: ExportRefusal }
  | {
      readonly refused?: undefined;
      readonly items: AsyncIterable<ExportItem>;
      /** To be called if the items are not read to their end: ends what is in progress and frees the place. Harmless otherwise. */
      close(): void;
    };
