/**
 * Who is behind a connection, fixed at CONNECT: a device under its key, or a service with its purposes.
 * Raw ids and the will live here, in memory, and nowhere else.
 */
import type { Client } from "aedes";
import type { ServicePurpose } from "../../model/consent.ts";
import type { DeviceId, DeviceKey, DeviceRef } from "../../model/ids.ts";
import type { TokenBucket } from "../../platform/rate.ts";
import type { RowOrder } from "../admission/message-times.ts";
import type { OwnId } from "../admission/own-id.ts";

/** A will taken out of CONNECT before Aedes could store it. */
export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
}

/** What a connection listens to. */
interface Listening {
  /** The topic filters it holds. */
  readonly filters: Set<string>;
  /** How often it may ask for one. */
  readonly subscribing: TokenBucket;
}

export interface DeviceSession extends Listening {
  readonly kind: "device";
  readonly client: Client;
  readonly id: DeviceId;
  /** The id in the form in which it is looked for in what the device says. */
  readonly own: OwnId | undefined;
  readonly key: DeviceKey;
  /** Absent while the device is bound to no data subject: it may connect, and nothing of it is admitted. */
  readonly ref: DeviceRef | undefined;
  /** The five topics this device may publish to, each with its index into `PARTS`; a lookup by the exact name spares parsing. */
  readonly topics: ReadonlyMap<string, number>;
  readonly bucket: TokenBucket;
  readonly will: Will | undefined;
  readonly order: RowOrder;
  inFlight: number;
  paused: boolean;
}

export interface ServiceSession extends Listening {
  readonly kind: "service";
  readonly client: Client;
  readonly name: string;
  readonly purposes: ReadonlySet<ServicePurpose>;
}

export type Session = DeviceSession | ServiceSession;

const sessions = new WeakMap<Client, Session>();

export function sessionOf(client: Client): Session | undefined {
  return sessions.get(client);
}

export function openSession(session: Session): void {
  sessions.set(session.client, session);
}
