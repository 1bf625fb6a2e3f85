/**
 * Every private member of Aedes and mqtt-packet that the ingress leans on, in one place. Both packages
 * are pinned to exact versions, and `aedes-internals.test.ts` fails when one of these goes away.
 */
import type { Client } from "aedes";
import type { Packet } from "mqtt-packet";

/** What was received of a packet and everything behind it; a `BufferList` of bl. */
interface ReceivedBytes {
  readonly length: number;
  slice(start?: number, end?: number): Buffer;
  consume(bytes: number): void;
  append(bytes: Buffer): void;
  getBuffers(): readonly Buffer[];
  readUInt16BE(offset: number): number;
}

/** Of the packet being parsed: all of it is known from the fixed header. */
export interface PacketHeader {
  readonly cmd: string;
  readonly qos: number;
  readonly dup: boolean;
  length: number;
  /** Of a CONNECT, once it was read. */
  readonly clientId?: string;
}

export interface ParserInternals {
  readonly packet: PacketHeader;
  readonly _list: ReceivedBytes;
  /** Its next step: 0 the first byte of a packet, 1 its length, 2 its body. */
  readonly _stateCounter: number;
  /** Where in the packet's body it reads. */
  _pos: number;
  /** The CONNECT, with the password in it, for as long as the connection lasts. */
  settings: object;
  parse(bytes: Buffer): void;
  _parseHeader(): boolean;
  _parseLength(): boolean;
  _parsePayload(): boolean;
  _parseConnect(): unknown;
  _parseString(): string | null;
  _parseProperties(): object;
  _parseDisconnect(): unknown;
  listeners(event: "packet"): unknown[];
  removeAllListeners(event: "packet" | "error"): void;
  on(event: "packet", listener: (packet: Packet) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
}

export interface ClientInternals {
  /** Reads no further packets until `resume`. */
  pause(): void;
  resume(): void;
  /** Called when a packet is dealt with, and whenever the socket has something to read. */
  _nextBatch(error?: Error | null): void;
  /** Packets that Aedes believes are not dealt with; above 0 one that comes before the CONNACK is put aside. */
  _parsingBatch: number;
  readonly _parser: ParserInternals;
  /** True once `authenticate` has let the client in. */
  readonly _authorized: boolean;
  /** True after an orderly DISCONNECT, which discards the will. */
  readonly _disconnected: boolean;
  readonly _keepaliveTimer: NodeJS.Timeout | null;
  readonly connDetails: { readonly ipAddress?: string } | null;
  id: string;
}

export function internals(client: Client): ClientInternals {
  return client as unknown as ClientInternals;
}

export interface BrokerInternals {
  readonly clients: Readonly<Record<string, Client>>;
  /** Puts a client into `clients` and closes the one that was there. */
  registerClient(client: Client): void;
  /** Takes out of `clients` the one who is there under the client's id. */
  unregisterClient(client: Client): void;
}
