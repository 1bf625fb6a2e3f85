/**
 * What can become of a message: one closed table. Expected refusals are values from here,
 * never exceptions. `docs/errors.md` lists the same rows and a test keeps the two equal.
 */
export const REFUSALS = {
  "no-consent": "the subject has given no consent for this device",
  "consent-withdrawn": "consent was withdrawn, before admission or while the message was queued",
  "consent-expired": "the consent record has passed its expiry",
  "policy-superseded": "consent was given to a policy version that no longer counts",
  "guardian-missing": "the subject is a minor without a verified guardian",
  "legal-hold": "a legal hold freezes every use of this subject's data",
  "purpose-denied": "no consented purpose may use any field the message carries",
  "no-recipient": "consented for services only, and no service that is listening gets anything of it",
  "unknown-device": "the device is not bound to a data subject",
  "invalid-payload": "the payload is not the JSON of the contract",
  "nothing-known": "nothing in the message is known, so that all of it was left out",
  "not-taken": "there is deliberately nothing of it to keep",
  "invalid-topic": "the topic is not one this device may publish to",
  "over-rate": "the device publishes faster than its rate limit",
  "too-large": "the payload exceeds the size limit",
  expired: "it waited for longer than its sender wanted it to",
  "not-durable": "the queue could not store it in time; not acknowledged, the device sends it again",
} as const;
export type Refusal = keyof typeof REFUSALS;
export const REFUSAL_REASONS = Object.keys(REFUSALS) as Refusal[];

/** What the person has decided, or not. */
export const BY_CONSENT: ReadonlySet<string> = new Set<Refusal>([
  "no-consent",
  "consent-withdrawn",
  "consent-expired",
  "policy-superseded",
  "guardian-missing",
  "purpose-denied",
]);

/** Stands for every reason that says what a person has decided, or what a court has. */
export const NOT_PERMITTED = "not-permitted";
export type OpenRefusal = Refusal | typeof NOT_PERMITTED;
const HELD: Refusal = "legal-hold";
const openReason = (reason: Refusal): OpenRefusal =>
  BY_CONSENT.has(reason) || reason === HELD ? NOT_PERMITTED : reason;

/** The reasons for who may not learn what a person or a court has decided. */
export const OPEN_REFUSALS: readonly OpenRefusal[] = [...new Set(REFUSAL_REASONS.map(openReason))];

/** The same counts by these. */
export function openRefused(refused: Readonly<Record<Refusal, number>>): Record<OpenRefusal, number> {
  const counts = Object.fromEntries(OPEN_REFUSALS.map((reason) => [reason, 0])) as Record<OpenRefusal, number>;
  for (const reason of REFUSAL_REASONS) counts[openReason(reason)] += refused[reason];
  return counts;
}

/** What says something of a person, or that there is none: the way a message is acknowledged tells no one. */
export const OF_A_PERSON: ReadonlySet<string> = new Set<string>([
  ...BY_CONSENT,
  "legal-hold" satisfies Refusal,
  "unknown-device" satisfies Refusal,
]);

/** What says something of a person's decision: nothing for another person who runs the hub of a device. */
export const AFTER_CONSENT: ReadonlySet<string> = new Set<string>([...BY_CONSENT, "no-recipient"]);

/** Why a part of a `status` was left out while the rest of the message went on. */
export const DROP_REASONS = ["unknown", "personal", "out-of-range", "not-a-word", "not-a-number"] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Why a connection was refused or ended before it was authenticated. */
export const CONNECTION_REFUSALS = [
  "bad-credentials",
  "unusable-client-id",
  "too-many-failures",
  /** The device ends its own connections again and again: two of its clients fight. */
  "too-many-takeovers",
  /** The service has as many connections as it may. */
  "too-many-of-service",
  "unavailable",
  "too-many",
  "backlog",
  "not-writable",
  "protocol",
] as const;
export type ConnectionRefusal = (typeof CONNECTION_REFUSALS)[number];

/** Why an HTTP request was turned away without being looked at; counted, never with an address. */
export const HTTP_REFUSALS = ["bad-token", "no-scope", "bad-link", "no-session", "too-many-failures"] as const;
export type HttpRefusal = (typeof HTTP_REFUSALS)[number];

/** What became of a command that a scene service sent. */
export const COMMAND_OUTCOMES = [
  "delivered",
  "acl-denied",
  "too-large",
  "unknown-device",
  "no-consent",
  "unavailable",
  "expired",
  /** The service publishes faster than it may, or the device is commanded too often. */
  "over-rate",
  /** No command of the table, or not the value that it takes. */
  "invalid",
  /** The policy leaves this command out. */
  "not-allowed",
  /** It follows commands that follow commands. */
  "cause-chain",
  /** The service has had this delivered before, or it is being delivered. */
  "repeated",
] as const;
export type CommandOutcome = (typeof COMMAND_OUTCOMES)[number];

/** What the service that sent it is told. Why there is no one to hand it to is not told: consent may have ended, or the device is away. */
export type ToldOutcome = Exclude<CommandOutcome, "no-consent" | "acl-denied">;

/** What became of a forecast of a weather service. `delivered` says that devices get it, if there are any: not that there are. */
export const FORECAST_OUTCOMES = [
  "delivered",
  /** No weather service was told of this cell lately. */
  "unknown-cell",
  "too-large",
  "invalid",
  /** A newer one is kept, or its time is over. */
  "stale",
  "acl-denied",
  "over-rate",
  "unavailable",
] as const;
export type ForecastOutcome = (typeof FORECAST_OUTCOMES)[number];

/** What became of a notice that a network service sent. */
export const NETWORK_NOTICE_OUTCOMES = [
  "delivered",
  /** Not connected here, or not listening. */
  "away",
  "acl-denied",
  "too-large",
  "invalid-payload",
  "unknown-device",
  "no-consent",
  /** The device was told enough within the hour. */
  "too-many",
  "unavailable",
  "expired",
  /** The service publishes faster than it may. */
  "over-rate",
] as const;
export type NetworkNoticeOutcome = (typeof NETWORK_NOTICE_OUTCOMES)[number];

/** Attempts to do what is not allowed, and what could be one; counted, never with a name. */
export const SECURITY_EVENTS = [
  "failed-login",
  "foreign-topic",
  "account-key",
  "oversize",
  "acl-denied",
  "too-many-subscriptions",
  "protocol",
  /** A login ended an older connection of the same device or service client. */
  "takeover",
  /** A service left a will; it is dropped. */
  "service-will",
] as const;
export type SecurityEvent = (typeof SECURITY_EVENTS)[number];

/** What the place writer does with rows of places. */
export const PLACE_OUTCOMES = ["written", "removed"] as const;
export type PlaceOutcome = (typeof PLACE_OUTCOMES)[number];

/** Why a message became a dead letter. */
export const DEAD_LETTER_REASONS = {
  "sink-rejected": "the store refused this record as malformed",
  unopenable: "the sealed batch could not be opened with any key at hand",
  poison: "processing this message ended the process repeatedly",
  "pipeline-fault": "de-identification failed on this message",
} as const;
export type DeadLetterReason = keyof typeof DEAD_LETTER_REASONS;

/**
 * The books: every received message ends in exactly one of stored, forwarded-only, refused,
 * dead-lettered, or is still in flight. Counts only, so a book can never name anyone.
 */
export interface Books {
  received(count: number): void;
  refused(reason: Refusal, count: number): void;
  /** Durable in the queue; what the PUBACK stands for. */
  admitted(count: number): void;
  /** Settled without having been admitted by this run: an earlier run's, another gateway's, or a replayed dead letter. */
  recovered(count: number): void;
  stored(count: number): void;
  /** Not stored, but delivered to at least one purpose. */
  forwardedOnly(count: number): void;
  deadLettered(reason: DeadLetterReason, count: number): void;
}
