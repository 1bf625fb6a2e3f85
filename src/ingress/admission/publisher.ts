/**
 * A device that sends messages, whichever protocol it speaks: what admission must know of it, and the way to make it wait.
 * Lives in memory, from the login to the end of the session.
 */
import type { DeviceId, DeviceKey, DeviceRef } from "../../model/ids.ts";
import type { TokenBucket } from "../../platform/rate.ts";
import type { RowOrder } from "./message-times.ts";
import { type OwnId, ownIdOf } from "./own-id.ts";

/** What its messages are read from. */
export interface Connection {
  /** Reads no further messages until `resume`; what was read may still be handed in. */
  pause(): void;
  resume(): void;
}

export class Publisher {
  readonly key: DeviceKey;
  /** Absent while the device is bound to no data subject: it may connect, and nothing of it is admitted. */
  readonly ref: DeviceRef | undefined;
  /** The id in the form in which it is looked for in what the device says. */
  readonly own: OwnId | undefined;
  /** One token for each message. */
  readonly bucket: TokenBucket;
  readonly connection: Connection;
  readonly order: RowOrder = { time: 0, at: 0, sub: 0, tellsTime: false };
  /** Messages that are not finished. */
  inFlight = 0;
  paused = false;

  constructor(id: DeviceId, key: DeviceKey, ref: DeviceRef | undefined, bucket: TokenBucket, connection: Connection) {
    this.key = key;
    this.ref = ref;
    this.own = ownIdOf(id);
    this.bucket = bucket;
    this.connection = connection;
  }
}
