/**
 * The reason codes that a client of MQTT 5 is told (2.4), and what for: one table for each kind of answer. `docs/topics.md` says
 * what a firmware should do about each; a test keeps the two equal.
 */
import type {
  CommandOutcome,
  ConnectionRefusal,
  ForecastOutcome,
  NetworkNoticeOutcome,
  Refusal,
} from "../../../model/outcome.ts";
import { FILTER_TOO_DEEP, TOPIC_TOO_DEEP } from "../rules/strings.ts";
import { ALIAS, NOT_HERE, TWICE, WILDCARD, ZERO } from "./properties.ts";

export const SUCCESS = 0x00;
/** From here on a code says that it failed. */
export const FAILURE = 0x80;
const NO_SUBSCRIBERS = 0x10;
const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const UNSPECIFIC = 0x83;
const NOT_AUTHORIZED = 0x87;
const TOPIC_NAME_INVALID = 0x90;
const QUOTA_EXCEEDED = 0x97;
const PAYLOAD_FORMAT_INVALID = 0x99;

/** CONNACK: what the login was refused for. Whether there is such a device is never told. */
export const LOGIN_CODES = {
  "bad-credentials": 0x86,
  "unusable-client-id": 0x85,
  "too-many-failures": 0x9f,
  "too-many-takeovers": QUOTA_EXCEEDED,
  "too-many-of-service": QUOTA_EXCEEDED,
  unavailable: 0x88,
  "not-writable": 0x88,
  backlog: 0x89,
} as const satisfies Partial<Record<ConnectionRefusal, number>>;

/**
 * PUBACK and PUBREC: what a message was refused for. `not-durable` has none: it gets no acknowledgement, because a client never
 * sends again what was answered.
 */
export const REFUSAL_CODES: Readonly<Record<Exclude<Refusal, "not-durable">, number>> = {
  "no-consent": NOT_AUTHORIZED,
  "consent-withdrawn": NOT_AUTHORIZED,
  "consent-expired": NOT_AUTHORIZED,
  "policy-superseded": NOT_AUTHORIZED,
  "guardian-missing": NOT_AUTHORIZED,
  "purpose-denied": NOT_AUTHORIZED,
  "unknown-device": NOT_AUTHORIZED,
  // No one may learn of it.
  "legal-hold": SUCCESS,
  "no-recipient": NO_SUBSCRIBERS,
  "invalid-payload": PAYLOAD_FORMAT_INVALID,
  "nothing-known": PAYLOAD_FORMAT_INVALID,
  "not-taken": SUCCESS,
  "invalid-topic": TOPIC_NAME_INVALID,
  "over-rate": QUOTA_EXCEEDED,
  "too-large": QUOTA_EXCEEDED,
  expired: UNSPECIFIC,
};

/** The same for a command of a service. Why there is no one to hand it to is not told: consent may have ended, or the device is away. */
export const COMMAND_CODES: Readonly<Record<CommandOutcome, number>> = {
  delivered: SUCCESS,
  "acl-denied": NOT_AUTHORIZED,
  "too-large": QUOTA_EXCEEDED,
  "unknown-device": NO_SUBSCRIBERS,
  "no-consent": NO_SUBSCRIBERS,
  unavailable: UNSPECIFIC,
  expired: UNSPECIFIC,
  "over-rate": QUOTA_EXCEEDED,
  invalid: PAYLOAD_FORMAT_INVALID,
  "not-allowed": NOT_AUTHORIZED,
  "cause-chain": QUOTA_EXCEEDED,
  // It was delivered, under the same correlation.
  repeated: SUCCESS,
};

/** The same for a forecast. Whether any device got it is not told. */
export const FORECAST_CODES: Readonly<Record<ForecastOutcome, number>> = {
  delivered: SUCCESS,
  "unknown-cell": TOPIC_NAME_INVALID,
  "too-large": QUOTA_EXCEEDED,
  invalid: PAYLOAD_FORMAT_INVALID,
  stale: UNSPECIFIC,
  "acl-denied": NOT_AUTHORIZED,
  "over-rate": QUOTA_EXCEEDED,
  unavailable: UNSPECIFIC,
};

/** The same for a notice of a network service. Whether the device got it is not told: it would say when devices are connected. */
export const NETWORK_NOTICE_CODES: Readonly<Record<NetworkNoticeOutcome, number>> = {
  delivered: SUCCESS,
  away: SUCCESS,
  "unknown-device": SUCCESS,
  "no-consent": SUCCESS,
  "too-many": SUCCESS,
  "acl-denied": NOT_AUTHORIZED,
  "too-large": QUOTA_EXCEEDED,
  "over-rate": QUOTA_EXCEEDED,
  "invalid-payload": PAYLOAD_FORMAT_INVALID,
  unavailable: UNSPECIFIC,
  expired: UNSPECIFIC,
};

/** PUBACK and PUBREC of a payload that says it is text and is none. */
export const NO_TEXT = PAYLOAD_FORMAT_INVALID;

/** PUBCOMP for a packet identifier of which nothing is known. */
export const UNKNOWN_IDENTIFIER = 0x92;

/** SUBACK: why a filter was not granted. */
export const FILTER_CODES = {
  "acl-denied": NOT_AUTHORIZED,
  "too-many-subscriptions": QUOTA_EXCEEDED,
  shared: 0x9e,
  /** A group with a wildcard in its name or without one, or nothing behind it. */
  "share-invalid": 0x8f,
  identifier: 0xa1,
} as const;

/** UNSUBACK for a filter that was not held. */
export const NOT_SUBSCRIBED = 0x11;

export const UNSUPPORTED_VERSION = 0x84;
export const BAD_AUTHENTICATION = "MQTT 5, 4.12";
export const NO_METHOD = "MQTT 5, 3.1.2.11.10";
/** A Maximum Packet Size that leaves no room for what the gateway has to say. */
export const TOO_SMALL = "MQTT 5, 3.1.2.11.4";
export const RECEIVE_MAXIMUM = "MQTT-3.3.4-7";

/** Statements whose breach is no malformed packet (4.13.1). */
const FAULT_CODES: Readonly<Record<string, number>> = {
  // A packet that is not to come, or not now.
  "MQTT-3.1.0-1": PROTOCOL_ERROR,
  "MQTT-3.1.0-2": PROTOCOL_ERROR,
  "MQTT 2.2.1": PROTOCOL_ERROR,
  // Nothing in it.
  "MQTT-3.8.3-3": PROTOCOL_ERROR,
  "MQTT-3.10.3-2": PROTOCOL_ERROR,
  "MQTT-3.8.3-4": PROTOCOL_ERROR,
  // What mqtt-packet says of options of a filter that do not exist (3.8.3.1).
  "Invalid subscribe QoS, must be <= 2": PROTOCOL_ERROR,
  "Invalid retain handling, must be <= 2": PROTOCOL_ERROR,
  "MQTT-3.14.2.2.2": PROTOCOL_ERROR,
  // A topic that is empty, or has a wildcard in it.
  "MQTT-4.7.3-1": PROTOCOL_ERROR,
  "MQTT-3.3.2-2": TOPIC_NAME_INVALID,
  "MQTT-4.7.1-2": 0x8f,
  "MQTT-4.7.1-3": 0x8f,
  [TOPIC_TOO_DEEP]: TOPIC_NAME_INVALID,
  [FILTER_TOO_DEEP]: 0x8f,
  "MQTT-3.3.4-6": PROTOCOL_ERROR,
  [TWICE]: PROTOCOL_ERROR,
  [ZERO]: PROTOCOL_ERROR,
  [WILDCARD]: PROTOCOL_ERROR,
  [NOT_HERE]: MALFORMED,
  [ALIAS]: 0x94,
  [BAD_AUTHENTICATION]: 0x8c,
  [NO_METHOD]: PROTOCOL_ERROR,
  [TOO_SMALL]: UNSPECIFIC,
  [RECEIVE_MAXIMUM]: 0x93,
};

export function faultCode(statement: string): number {
  return FAULT_CODES[statement] ?? MALFORMED;
}
