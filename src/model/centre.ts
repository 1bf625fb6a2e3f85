/**
 * What the privacy centre shows a person about themselves, in the shapes its page gets them. Devices appear
 * under numbers, and under the names that the issuer of the link gave them: no id and no keyed hash among them.
 */
import { z } from "zod";
import { contentHash, countryCode, LEGAL_BASES, timestampMs } from "./consent-record.ts";
import { contact } from "./contact.ts";
import { childCount } from "./device-connection.ts";
import { erasureStatus, receiptKey } from "./erasure.ts";
import type { DeviceRef } from "./ids.ts";
import { PLACE_STATES } from "./place.ts";
import { CATEGORIES, PURPOSES } from "./purposes.ts";

/** A link lasts at most so long, and a session whose end is not put off. */
export const MAX_CENTRE_MINUTES = 15;
/** A session lasts at most so long, however often it is put off. */
export const MAX_STAY_MINUTES = 240;

const byPurpose = z.partialRecord(z.enum(PURPOSES), z.array(z.enum(CATEGORIES)));
/** Which of the subject's devices: counted from 1 in the order in which they were first bound, and never changed. */
export const deviceNumber = z.number().int().min(1).max(100_000);

const STANDING_STATES = ["none", "given", "refused", "withdrawn", "expired", "unapproved"] as const;

/** What holds for the devices of one statement. */
export const standing = z.strictObject({
  /** `unapproved`: given, but by a minor without a guardian. */
  state: z.enum(STANDING_STATES),
  /** What is used at this moment. Under a legal hold nothing of it is. */
  used: byPurpose,
  /** Given, and not used: a newer policy version asks again, or a guardian has to agree. */
  waiting: byPurpose,
  suspended: z.array(z.enum(PURPOSES)),
  at: timestampMs.optional(),
  expiresAt: timestampMs.optional(),
  policyVersion: z.number().int().positive().optional(),
});
export type Standing = z.infer<typeof standing>;

const purpose = z.strictObject({
  id: z.enum(PURPOSES),
  description: z.string(),
  basis: z.enum(LEGAL_BASES),
  recipients: z.array(z.string()),
  regions: z.array(countryCode),
  /** Those that are given something of it at the moment, by the name under which they stand in the account. */
  services: z.array(
    z.strictObject({ name: z.string(), recipient: z.string(), region: z.string(), gets: z.array(z.enum(CATEGORIES)) }),
  ),
  /** 0: passed on and not kept. */
  retentionDays: z.number().int().nonnegative(),
  offered: z.array(z.enum(CATEGORIES)),
  /** Without at least one of these the purpose can do nothing. */
  needs: z.array(z.enum(CATEGORIES)),
  /** Closed to minors, also with a guardian's consent. */
  closed: z.boolean(),
});

const device = z.strictObject({
  number: deviceNumber,
  label: z.string().optional(),
  /** There when something was stated about this device alone; it replaces what holds for all. */
  own: standing.optional(),
  held: z.boolean(),
  /** It has a connection of its own right now; one behind a hub has none. */
  connected: z.boolean(),
  /** Its last message or login; absent: none since `seenHere.since`. */
  heardAt: timestampMs.optional(),
  /** A hub speaks for it: which of the devices here, or one of another person. */
  behind: z.strictObject({ number: deviceNumber.optional(), otherSubject: z.boolean() }).optional(),
  /** It speaks for others. */
  hub: childCount.optional(),
  dialect: z.string().optional(),
});

/** One line of the account of disclosures, summed up over days. */
const disclosed = z.strictObject({
  recipient: z.string(),
  purpose: z.enum(PURPOSES),
  region: z.string(),
  /** At least so many messages. */
  count: z.number().int().nonnegative(),
  /** UTC, YYYY-MM-DD. */
  from: z.string(),
  to: z.string(),
});

export const centreOverview = z.strictObject({
  /** Unix ms of the gateway's clock. */
  now: timestampMs,
  by: z.enum(["subject", "guardian"]),
  /** Names the session, and opens nothing: a request with it is refused in any other session. */
  session: z.string(),
  /** When the session ends by itself, and the latest moment to which that can be put off. */
  endsAt: timestampMs,
  endsAtLatest: timestampMs,
  controller: z.string(),
  /** Whom the person writes to; absent where no one is named. */
  contact: contact.optional(),
  /** Names the state that is shown here; a change made upon another one is refused. */
  head: contentHash,
  policy: z.strictObject({
    version: z.number().int().positive(),
    title: z.string(),
    language: z.string(),
    effectiveFrom: z.string(),
    hash: contentHash,
    statements: z.array(z.strictObject({ clause: z.string(), says: z.string() })),
  }),
  minor: z.boolean(),
  /** A verified guardian is on file. */
  guardian: z.boolean(),
  /** When the last legal hold ends; absent: none stands. */
  heldUntil: timestampMs.optional(),
  /** What holds for every device without a statement of its own. */
  standing,
  purposes: z.array(purpose),
  devices: z.array(device),
  /** How far `connected` and `heardAt` reach: the memory of the gateway that answers, and no other. */
  seenHere: z.strictObject({ since: timestampMs, alone: z.boolean() }),
  disclosed: z.array(disclosed),
  /** An erasure was asked for in this session: it can be followed, and nothing else can be done. */
  closed: z.boolean(),
  /** The latest, in progress or not. */
  erasure: z.strictObject({ status: erasureStatus, keys: z.array(receiptKey) }).optional(),
});
export type CentreOverview = z.infer<typeof centreOverview>;

const degrees = z.tuple([z.number().min(-90).max(90), z.number().min(-180).max(180)]).describe("Latitude, longitude.");
/** An area to draw. No id: the page needs none. */
const area = z.strictObject({
  center: degrees,
  corners: z.array(degrees).max(10),
  km2: z.number().positive(),
});

/** Places of the person's own devices, those together of which the same is to be said. */
export const centrePlaces = z.strictObject({
  places: z.array(
    z.strictObject({
      devices: z.array(deviceNumber),
      state: z.enum(PLACE_STATES),
      noted: area.optional().describe("What is noted, sealed, until it is told."),
      stored: area.optional().describe("What the store holds."),
    }),
  ),
  leastHomes: z.number().int().positive().describe("Fewer in an area, and it is not stored."),
  stepMinutes: z.number().positive().describe("How often it is looked whether that is so."),
  keptDays: z.number().int().positive(),
});
export type CentrePlaces = z.infer<typeof centrePlaces>;

/** Why a purpose gets nothing of a message. */
export const NOTHING_REASONS = [
  "not-agreed",
  "not-carried",
  "no-weather",
  "no-scene",
  "nobody-listens",
  "set-aside",
] as const;
export type NothingReason = (typeof NOTHING_REASONS)[number];

/** Why a live view ended. */
export const WATCH_ENDS = ["time", "withdrawn", "unbound", "changed", "stopping"] as const;
export type WatchEnd = (typeof WATCH_ENDS)[number];

/** A live view of the messages of one device; a message passes through here as text and is never parsed. */
export interface Viewing {
  readonly device: Pick<DeviceRef, "deviceKey" | "subjectTag">;
  /** Id of the watching session. */
  readonly session: string;
  readonly forMs: number;
  /** Whether it may still watch, asked every few seconds and when the record changed; a fault means no. */
  stands(): Promise<boolean>;
  /** One sample as JSON. */
  sample(json: string): void;
  /** No further sample comes. Not called when the watcher itself stopped. */
  ended(why: WatchEnd): void;
}
