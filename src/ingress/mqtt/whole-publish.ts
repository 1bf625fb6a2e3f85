/**
 * Reads a PUBLISH that has come whole and has nothing unusual about it: a topic of plain letters, no properties, no more than 16 kB. Nearly
 * all packets are such, and mqtt-packet takes several small steps and a copy for each. Whatever else it may be, ill-formed or
 * only rare, is left to mqtt-packet and the checks around it, so that faults are found in one place.
 */
import type { IPublishPacket } from "mqtt-packet";

export interface WholePublishLimits {
  readonly maxPacketBytes: number;
  readonly maxTopicBytes: number;
}

const PUBLISH = 3;
const DUP = 0b1000;
const RETAIN = 0b0001;
/** Where the remaining length goes on in a second byte. */
const MORE = 0x80;
const FIRST_PLAIN = 0x20;
const LAST_PLAIN = 0x7e;
const HASH = 0x23;
const PLUS = 0x2b;

/** The one that begins at `start`; `undefined` when it is for mqtt-packet to read. */
export function wholePublish(
  bytes: Buffer,
  start: number,
  isVersion5: boolean,
  limits: WholePublishLimits,
): IPublishPacket | undefined {
  const first = bytes[start] ?? 0;
  const qos = (first >> 1) & 0b11;
  const dup = (first & DUP) !== 0;
  if (first >> 4 !== PUBLISH || qos === 3 || (dup && qos === 0)) return undefined;
  const low = bytes[start + 1] ?? 0;
  const high = low < MORE ? 0 : (bytes[start + 2] ?? 0);
  // A length is written as short as it can be, and in no more than two bytes here.
  if (high >= MORE || (low >= MORE && high === 0)) return undefined;
  const length = (low & 0x7f) | (high << 7);
  const body = start + (low < MORE ? 2 : 3);
  const end = body + length;
  const topicAt = body + 2;
  if (length > limits.maxPacketBytes || end > bytes.length || topicAt > end) return undefined;
  const topicBytes = bytes.readUInt16BE(body);
  const idAt = topicAt + topicBytes;
  const propertiesAt = qos === 0 ? idAt : idAt + 2;
  const payloadAt = isVersion5 ? propertiesAt + 1 : propertiesAt;
  if (topicBytes === 0 || topicBytes > limits.maxTopicBytes || payloadAt > end) return undefined;
  if (!isPlainTopic(bytes, topicAt, idAt) || (isVersion5 && bytes[propertiesAt] !== 0)) return undefined;
  const packet: IPublishPacket = {
    cmd: "publish",
    retain: (first & RETAIN) !== 0,
    qos: qos as 0 | 1 | 2,
    dup,
    length,
    topic: bytes.toString("latin1", topicAt, idAt),
    payload: bytes.subarray(payloadAt, end),
  };
  if (qos === 0) return packet;
  packet.messageId = bytes.readUInt16BE(idAt);
  return packet.messageId === 0 ? undefined : packet;
}

/** With its fixed header. */
export function bytesOf({ length = 0 }: IPublishPacket): number {
  return length + (length < MORE ? 2 : 3);
}

function isPlainTopic(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    const code = bytes[at] ?? 0;
    if (code < FIRST_PLAIN || code > LAST_PLAIN || code === HASH || code === PLUS) return false;
  }
  return true;
}
