/** One connection of a service, whatever protocol it speaks: who it is, and how it is sent something. */
import type { Duplex } from "node:stream";
import type { ServicePurpose } from "../../model/consent.ts";

export interface ServiceConnection {
  readonly name: string;
  readonly purposes: ReadonlySet<ServicePurpose>;
  /** Where packets go that were made for many connections at once. */
  readonly client: PacketStream;
  /** What it is sent of a packet that was made for many; `undefined` when it takes none of that size. */
  form(packet: Buffer): Buffer | undefined;
  /** Sends a message to this connection alone, and keeps nothing of it when it is gone. */
  send(topic: string, payload: string, qos: 0 | 1): void;
}

export interface PacketStream {
  readonly conn: Duplex;
  readonly closed: boolean;
}
