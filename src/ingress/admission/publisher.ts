/**
 * A device that sends messages, whichever protocol it speaks: what admission must know of it, and the way to make it wait.
 * Lives in memory, from the login to the end of the session.
 */
import type { DevicePlace } from "../../model/forecast.ts";
import type { DeviceId, DeviceKey, DeviceRef } from "../../model/ids.ts";
import type { TokenBucket } from "../../platform/rate.ts";
import type { Heard } from "./last-heard.ts";
import type { RowOrder } from "./message-times.ts";
import { type OwnId, ownIdOf } from "./own-id.ts";

/** What messages are read from. */
export interface Reading {
  /** Reads no further messages until `resume`; what was read may still be handed in. */
  pause(): void;
  resume(): void;
}

/** Where the messages of a device come from; those of the devices behind a hub come over the hub's. */
export interface Connection {
  readonly reading: Reading;
  /** Messages that are not finished. */
  inFlight: number;
  paused: boolean;
}

export function connectionOf(reading: Reading): Connection {
  return { reading, inFlight: 0, paused: false };
}

export interface Publisher {
  readonly key: DeviceKey;
  /** Absent while the device is bound to no data subject: it may connect, and nothing of it is admitted. */
  readonly ref: DeviceRef | undefined;
  /** Of a device behind a hub: where the consent of the hub is found. While that is withdrawn it speaks for no one. */
  readonly hub: DeviceRef | undefined;
  /** The id in the form in which it is looked for in what the device says; no one here knows that of a device behind a hub. */
  readonly own: OwnId | undefined;
  /** One token for each message. */
  readonly bucket: TokenBucket;
  readonly connection: Connection;
  readonly order: RowOrder;
  readonly heard: Heard;
  /** No other gateway has told differences of its counters since this one did. */
  holds: boolean;
  /** Known while weather services may be told it, and never written anywhere. */
  place: DevicePlace | undefined;
}

/** One for each session: of a device there should be one at a time. */
export function publisherOf(
  id: DeviceId | undefined,
  {
    key,
    ref,
    bucket,
    hub,
    holds = false,
    heard = { at: 0 },
  }: Pick<Publisher, "key" | "ref" | "bucket"> & {
    readonly heard?: Heard | undefined;
    readonly hub?: DeviceRef | undefined;
    readonly holds?: boolean;
  },
  connection: Connection,
): Publisher {
  const order = { time: 0, at: 0, sub: 0, tellsTime: false };
  // Not spread: it is looked into for every message, and V8 is slower to read what a spread has made.
  return { key, ref, hub, own: id && ownIdOf(id), bucket, connection, order, heard, holds, place: undefined };
}
