/**
 * The packets that the gateway writes itself, in the version that the client speaks: what it answers, and what it has to say to
 * one connection. Nothing that is sent is kept until it is acknowledged.
 */
import type { Client } from "aedes";
import mqttPacket, { type ISubackPacket, type IUnsubackPacket } from "mqtt-packet";
import { endFaulty } from "./ends.ts";
import { peer5 } from "./peers.ts";
import type { Peer5 } from "./v5/peer.ts";
import { SUCCESS, UNKNOWN_IDENTIFIER } from "./v5/reason-codes.ts";

const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBCOMP = 0x70;
const V5 = { protocolVersion: 5 } as const;

/** A peer that publishes and never reads its acknowledgements is cut off here. */
const MAX_UNREAD_BYTES = 64 * 1024;
/** Messages of the gateway on their way to one connection: one that does not read them misses what comes. */
const MAX_UNSENT_BYTES = 128 * 1024;
const MAX_MESSAGE_ID = 0xffff;

/** Of a PUBLISH; the reason is for a client of MQTT 5. */
export interface Acknowledged {
  readonly qos: 0 | 1 | 2;
  readonly messageId?: number | undefined;
  readonly reason?: number;
}

/** PUBACK or PUBREC of each, in one write. */
export function writeAcknowledgements(client: Client, packets: readonly Acknowledged[]): void {
  const isV5 = peer5(client) !== undefined;
  const bytes = Buffer.allocUnsafe(packets.length * sizeOf(isV5));
  let offset = 0;
  for (const { qos, messageId, reason = SUCCESS } of packets) {
    if (qos > 0) offset = put(bytes, offset, qos === 1 ? PUBACK : PUBREC, messageId ?? 0, isV5 ? reason : undefined);
  }
  write(client, bytes.subarray(0, offset));
}

/** Answers every PUBREL, also one whose message nothing is known of: the client is done with it [MQTT-4.3.3-2]. */
export function writePubcomp(client: Client, messageId: number, isKnown: boolean): void {
  const isV5 = peer5(client) !== undefined;
  const bytes = Buffer.allocUnsafe(sizeOf(isV5));
  put(bytes, 0, PUBCOMP, messageId, isV5 ? (isKnown ? SUCCESS : UNKNOWN_IDENTIFIER) : undefined);
  write(client, bytes);
}

/** One code for each filter of the SUBSCRIBE, in their order [MQTT-3.8.4-5]. */
export function writeSuback(client: Client, messageId: number, granted: number[]): void {
  answer(client, { cmd: "suback" as const, messageId, granted } satisfies ISubackPacket);
}

/** The same for UNSUBSCRIBE; MQTT 3.1.1 has no codes there. */
export function writeUnsuback(client: Client, messageId: number, granted: number[]): void {
  answer(client, { cmd: "unsuback" as const, messageId, granted } satisfies IUnsubackPacket);
}

/** One that is longer than what the client takes is not sent [MQTT-3.1.2-24], and the client would wait for it for ever. */
function answer(client: Client, packet: ISubackPacket | IUnsubackPacket): void {
  const peer = peer5(client);
  const bytes = mqttPacket.generate(packet, peer && V5);
  if (peer?.takes(bytes.length) === false) endFaulty(client, "oversize");
  else write(client, bytes);
}

/** A message of the gateway itself. */
export interface Message {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: 0 | 1 | 2;
}

const messageIds = new WeakMap<Client, number>();

/**
 * PUBLISH to one connection; `done` is called once it has left, or the connection is gone. False: the client has not taken what
 * is on its way, or takes no packet of that size.
 */
export function writePublish(client: Client, { topic, payload, qos }: Message, done: () => void): boolean {
  const { conn, closed } = client;
  if (closed || conn.destroyed || !conn.writable || conn.writableLength > MAX_UNSENT_BYTES) return false;
  const peer = peer5(client);
  const messageId = qos > 0 ? nextId(client) : 0;
  // One that has its hands full gets it all the same, and need not say so.
  const sent = qos > 0 && peer?.mayExpect(messageId) !== false ? 1 : 0;
  const packet = { cmd: "publish", topic, payload, qos: sent, messageId, retain: false, dup: false } as const;
  const bytes = mqttPacket.generate(packet, peer && V5);
  if (peer?.takes(bytes.length) === false) return notTaken(peer, messageId);
  conn.write(bytes, done);
  return true;
}

function notTaken(peer: Peer5, messageId: number): false {
  peer.acknowledged(messageId);
  return false;
}

function nextId(client: Client): number {
  const next = ((messageIds.get(client) ?? 0) % MAX_MESSAGE_ID) + 1;
  messageIds.set(client, next);
  return next;
}

/** A reason is always told, so that all acknowledgements are of one length. */
function sizeOf(isV5: boolean): number {
  return isV5 ? 5 : 4;
}

function put(bytes: Buffer, offset: number, type: number, messageId: number, reason: number | undefined): number {
  bytes[offset] = type;
  bytes[offset + 1] = reason === undefined ? 2 : 3;
  bytes[offset + 2] = messageId >> 8;
  bytes[offset + 3] = messageId & 0xff;
  if (reason === undefined) return offset + 4;
  bytes[offset + 4] = reason;
  return offset + 5;
}

function write({ conn }: Client, bytes: Buffer): void {
  if (conn.destroyed || !conn.writable) return;
  if (conn.writableLength > MAX_UNREAD_BYTES) conn.destroy();
  else conn.write(bytes);
}
