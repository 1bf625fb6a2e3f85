/**
 * One message that passes through admission, whichever protocol brought it. Each protocol adds what its answer needs, and
 * the answer. Lives in memory only, and its payload is dropped as soon as it is read.
 */
import type { CategoryMask } from "../../model/consent.ts";
import type { StatusFields } from "../../model/deidentified.ts";
import type { DeviceRef } from "../../model/ids.ts";
import type { Refusal } from "../../model/outcome.ts";
import type { RawTelemetry, Unread } from "../../model/raw.ts";
import type { MessageTime } from "./message-times.ts";
import type { Publisher } from "./publisher.ts";

export const NOTHING = Buffer.alloc(0);

export abstract class Inbound {
  readonly publisher: Publisher;
  /** Where its consent is found; absent while the device is bound to no one. */
  readonly ref: DeviceRef | undefined;
  /** Index into `PARTS`; -1 when it was sent to anything else than a part of its own device. */
  part: number;
  /** Let go as soon as it is text. */
  payload: Buffer;
  /** As it was received, or what was made of it. */
  readonly bytes: number;
  /** As `bytes`, but nothing once it is refused: such a message only keeps its place in the line. */
  weight: number;
  /** Of one publication with the message before it: they become durable together or not at all. */
  follows = false;
  /** Unix ms. */
  readonly receivedAt = Date.now();
  /** Monotonic ms. */
  readonly startedAt = performance.now();
  /** The same clock; what waits for longer is of no use to its sender. */
  expiresAt = Number.POSITIVE_INFINITY;
  /** What is sealed: the payload as the device sent it, or what is left of it, serialised again. */
  text = "";
  json: unknown = undefined;
  /** As the schema found it, before anything was taken out of its `status`. */
  unread: Unread | undefined = undefined;
  /** Kept beyond the steps only while counters in it wait for the consent check. */
  telemetry: RawTelemetry | undefined = undefined;
  /** Let go once consent is known. */
  location: RawTelemetry["location"] = undefined;
  changed = false;
  hasCounters = false;
  /** What is left of its `status` with differences in place of totals. */
  counted: StatusFields | undefined = undefined;
  at = 0;
  sub = 0;
  time: MessageTime | undefined = undefined;
  carried: CategoryMask = 0;
  /** Why it is not admitted. Final when `finish` is called: without one the message is durable. */
  refusal: Refusal | undefined = undefined;
  /** Of the dialect of the device, that refused it. */
  rule: number | undefined = undefined;
  /** Of the subject, at the moment consent was found. */
  revision: number | undefined = undefined;

  constructor(publisher: Publisher, part: number, payload: Buffer, bytes = payload.length) {
    this.publisher = publisher;
    this.ref = publisher.ref;
    this.part = part;
    this.payload = payload;
    this.bytes = bytes;
    this.weight = bytes;
  }

  /** Whether the sender is told when it is finished, and can tell how long that took. */
  abstract readonly isAnswered: boolean;

  /**
   * Answers the sender, or prepares the answer for the end of the batch (`Admission.afterBatch`). Called once, for all
   * messages in the order of their arrival. After `not-durable` the sender must not be told anything but that it failed.
   */
  abstract finish(): void;
}
