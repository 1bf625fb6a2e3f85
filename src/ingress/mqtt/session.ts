/**
 * Who is behind a connection, fixed at CONNECT: a device under its key, or a service with its purposes.
 * Raw ids and the will live here, in memory, and nowhere else.
 */
import type { Client } from "aedes";
import type { DeviceId } from "../../model/ids.ts";
import type { TokenBucket } from "../../platform/rate.ts";
import type { Publisher } from "../admission/publisher.ts";
import type { DialectSender } from "../dialects/sender.ts";
import type { ConnectedService, ServiceConnection } from "../services/connection.ts";

/** A will taken out of CONNECT before Aedes could store it. */
export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
}

/** What a connection listens to. */
interface Listening {
  /** The topic filters it holds, each with its QoS. */
  readonly filters: Map<string, 0 | 1 | 2>;
  /** How often it may ask for one. */
  readonly subscribing: TokenBucket;
}

export interface DeviceSession extends Listening {
  readonly kind: "device";
  readonly client: Client;
  readonly id: DeviceId;
  readonly publisher: Publisher;
  /** The five topics this device may publish to, each with its index into `PARTS`; a lookup by the exact name spares parsing. */
  readonly topics: ReadonlyMap<string, number>;
  /** Of a device that speaks a dialect; it may speak the native contract as well. */
  readonly sender: DialectSender | undefined;
  /** Its connection and its unclean end are told as `online`. */
  readonly presence: boolean;
  readonly will: Will | undefined;
}

export interface ServiceSession extends Listening, ServiceConnection {
  readonly kind: "service";
  readonly client: Client;
  readonly service: ConnectedService;
  /** Number of the token it logged in with. */
  readonly token: number;
}

export type Session = DeviceSession | ServiceSession;

const sessions = new WeakMap<Client, Session>();

export function sessionOf(client: Client): Session | undefined {
  return sessions.get(client);
}

export function openSession(session: Session): void {
  sessions.set(session.client, session);
}
