/** One connection of a service, whatever protocol it speaks: who it is, and how it is sent something. */
import type { Duplex } from "node:stream";
import type { ServicePurpose } from "../../model/purposes.ts";

export interface ServiceConnection {
  readonly name: string;
  /** Of this connection among those of the service: its client id. */
  readonly id: string;
  /** As they are at the moment. */
  readonly purposes: ReadonlySet<ServicePurpose>;
  /** Whose erasures it is told of: also of purposes that it had before. */
  readonly told: ReadonlySet<ServicePurpose>;
  /** Where packets go that were made for many connections at once. */
  readonly client: PacketStream;
  /** What it is sent of a packet that was made for many; `undefined` when it takes none of that size. */
  form(packet: Buffer): Buffer | undefined;
  /** Whether it may publish one message more now. */
  mayPublish(): boolean;
  /** Sends a message to this connection alone, and keeps nothing of it when it is gone. */
  send(topic: string, payload: string, qos: 0 | 1): void;
}

export interface PacketStream {
  readonly conn: Duplex;
  readonly closed: boolean;
}

/** A service as it is at the moment, which may be another one than when it logged in. */
export interface ConnectedService {
  readonly name: string;
  readonly entry: { readonly maxConnections: number };
  readonly purposes: ReadonlySet<ServicePurpose>;
  readonly told: ReadonlySet<ServicePurpose>;
  /** Numbers of the tokens that are good for it. */
  readonly tokens: ReadonlySet<number>;
  mayPublish(nowMs: number): boolean;
}

export interface Services {
  has(name: string): boolean;
  /** `undefined`: there is no such service, or this is no token of it. */
  login(name: string, token: string): { readonly service: ConnectedService; readonly token: number } | undefined;
}
