/**
 * One message between its PUBLISH and its PUBACK. Lives in memory only, and its payload is dropped
 * as soon as it is settled.
 */
import type { CategoryMask } from "../../model/consent.ts";
import type { DeviceRef } from "../../model/ids.ts";
import type { Refusal } from "../../model/outcome.ts";
import type { RawTelemetry } from "../../model/raw.ts";
import type { Received } from "../mqtt/received-ids.ts";
import type { DeviceSession } from "../mqtt/session.ts";
import type { MessageTime } from "./message-times.ts";

/** The part of a PUBLISH that settling touches. */
export interface PublishPacket {
  topic: string;
  payload: string | Buffer;
  qos: 0 | 1 | 2;
  retain: boolean;
  dup?: boolean;
  messageId?: number | undefined;
}

/** Told once it is settled; what has become of it stands in `refusal`. */
export type Done = (attempt: Attempt) => void;

export interface Attempt {
  readonly session: DeviceSession;
  /** Where its consent is found; absent while the device is bound to nobody. */
  readonly ref: DeviceRef | undefined;
  /** Absent for a will: there is nobody left to acknowledge to. */
  readonly packet: PublishPacket | undefined;
  /** Its packet identifier, with QoS 2. */
  readonly received: Received | undefined;
  readonly done: Done;
  readonly topic: string;
  /** Let go as soon as it is text. */
  payload: Buffer;
  readonly bytes: number;
  /** As `bytes`, but nothing once it is refused: such a message only keeps its place in the line. */
  weight: number;
  /** Unix ms. */
  readonly receivedAt: number;
  /** Monotonic ms. */
  readonly startedAt: number;
  /** Index into `PARTS`; -1 while unknown. */
  part: number;
  /** The payload as the device sent it; never serialised again. */
  text: string;
  json: unknown;
  telemetry: RawTelemetry | undefined;
  at: number;
  sub: number;
  time: MessageTime | undefined;
  carried: CategoryMask;
  refusal: Refusal | undefined;
  /** Of the subject, at the moment consent was found. */
  revision: number | undefined;
}

export const NOTHING = Buffer.alloc(0);

export function attemptOf(
  session: DeviceSession,
  packet: PublishPacket,
  received: Received | undefined,
  done: Done,
): Attempt {
  const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
  // From here on the packet itself is blank: wherever it may be put, there is nothing in it.
  packet.payload = NOTHING;
  packet.retain = false;
  return attempt(session, packet, received, done, packet.topic, payload);
}

/** A will is telemetry that the device left behind: it takes the same path, and nobody waits for its end. */
export function attemptOfWill(session: DeviceSession, topic: string, payload: Buffer): Attempt {
  return attempt(session, undefined, undefined, () => undefined, topic, payload);
}

function attempt(
  session: DeviceSession,
  packet: PublishPacket | undefined,
  received: Received | undefined,
  done: Done,
  topic: string,
  payload: Buffer,
): Attempt {
  return {
    session,
    ref: session.ref,
    packet,
    received,
    done,
    topic,
    payload,
    bytes: payload.length,
    weight: payload.length,
    receivedAt: Date.now(),
    startedAt: performance.now(),
    part: -1,
    text: "",
    json: undefined,
    telemetry: undefined,
    at: 0,
    sub: 0,
    time: undefined,
    carried: 0,
    refusal: undefined,
    revision: undefined,
  };
}
