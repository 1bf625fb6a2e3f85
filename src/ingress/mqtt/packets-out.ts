/** The packets with which the gateway answers, written by itself in the version that the client speaks. */
import type { Client } from "aedes";
import mqttPacket, { type ISubackPacket, type IUnsubackPacket } from "mqtt-packet";
import { endFaulty } from "./ends.ts";
import { peer5 } from "./peers.ts";
import { sessionOf } from "./session.ts";
import { SUCCESS, UNKNOWN_IDENTIFIER } from "./v5/reason-codes.ts";

const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBCOMP = 0x70;
const V5 = { protocolVersion: 5 } as const;

/** CONNACK with return code 1, unacceptable protocol version. */
export const REFUSED_LEVEL = Buffer.from([0x20, 0x02, 0x00, 0x01]);

/** CONNACK of MQTT 5 with a reason code and no properties. */
export const refusedConnect = (code: number): Buffer => Buffer.from([0x20, 0x03, 0x00, code, 0x00]);

/** A peer that publishes and never reads its acknowledgements is cut off here. */
const MAX_UNREAD_BYTES = 64 * 1024;
/** The same for a service, which may have processed messages waiting in front of them. */
const MAX_SERVICE_UNREAD_BYTES = 8 * 1024 * 1024;

/** For mqtt-packet; `undefined`: MQTT 3.1.1. */
export function optionsOf(client: Client): typeof V5 | undefined {
  return peer5(client) && V5;
}

/** Of a PUBLISH; the reason is for a client of MQTT 5. */
export interface Acknowledged {
  readonly qos: 0 | 1 | 2;
  readonly messageId?: number | undefined;
  readonly reason?: number;
}

/** PUBACK or PUBREC of each in one write, with what is to leave behind them. */
export function writeAcknowledgements(client: Client, packets: readonly Acknowledged[], last?: Buffer): void {
  const isV5 = peer5(client) !== undefined;
  const bytes = Buffer.allocUnsafe(packets.length * sizeOf(isV5));
  let offset = 0;
  for (const { qos, messageId, reason = SUCCESS } of packets) {
    if (qos > 0) offset = put(bytes, offset, qos === 1 ? PUBACK : PUBREC, messageId ?? 0, isV5 ? reason : undefined);
  }
  const all = bytes.subarray(0, offset);
  write(client, last === undefined ? all : Buffer.concat([all, last]));
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

/** One that is longer than what the client takes is not sent [MQTT-3.1.2-24], and the client would wait for it forever. */
function answer(client: Client, packet: ISubackPacket | IUnsubackPacket): void {
  const bytes = mqttPacket.generate(packet, optionsOf(client));
  if (peer5(client)?.takes(bytes.length) === false) endFaulty(client, "oversize");
  else write(client, bytes);
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

function write(client: Client, bytes: Buffer): void {
  const { conn } = client;
  if (conn.destroyed || !conn.writable) return;
  if (conn.writableLength > MAX_UNREAD_BYTES && conn.writableLength > mostUnread(client)) conn.destroy();
  else conn.write(bytes);
}

function mostUnread(client: Client): number {
  return sessionOf(client)?.kind === "service" ? MAX_SERVICE_UNREAD_BYTES : MAX_UNREAD_BYTES;
}
