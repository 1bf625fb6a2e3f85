/**
 * What makes a packet ill-formed, statement by statement of MQTT 3.1.1: whoever sends one loses the connection
 * [MQTT-4.8.0-1]. Each check answers with the statement that was broken. mqtt-packet and Aedes look at the rest.
 * `docs/mqtt-conformance.md` lists them all, beside what Mosquitto does.
 */
import { isUtf8 } from "node:buffer";
import type { Packet } from "mqtt-packet";
import type { PacketHeader } from "./aedes-internals.ts";

/** Stands for a name that is longer than anything anybody may use; it is nobody's topic. */
export const TOO_LONG = "(too long)";

/** Packets whose length is fixed (3.4 to 3.7, 3.12, 3.14), in bytes. */
const LENGTHS: Readonly<Record<string, number>> = {
  puback: 2,
  pubrec: 2,
  pubrel: 2,
  pubcomp: 2,
  pingreq: 0,
  disconnect: 0,
};

/** What only a server sends, and types that MQTT 3.1.1 does not have (2.2.1). */
const NEVER_FROM_A_CLIENT: ReadonlySet<string> = new Set([
  "connack",
  "suback",
  "unsuback",
  "pingresp",
  "reserved",
  "auth",
]);

/** Looked at before a byte of the body is kept. */
export function headerFault({ cmd, qos, dup, length }: PacketHeader, connectSeen: boolean): string | undefined {
  if (!connectSeen && cmd !== "connect") return "MQTT-3.1.0-1";
  if (connectSeen && cmd === "connect") return "MQTT-3.1.0-2";
  if (NEVER_FROM_A_CLIENT.has(cmd)) return "MQTT 2.2.1";
  if (cmd === "publish" && dup && qos === 0) return "MQTT-3.3.1-2";
  const fixed = LENGTHS[cmd];
  return fixed !== undefined && fixed !== length ? "MQTT 2.2.3" : undefined;
}

/** Control and non-characters, which Mosquitto refuses too [MQTT-1.5.3-2], and what stands for bytes that are no UTF-8. */
const SUSPECT = /[\p{Cc}\p{Noncharacter_Code_Point}\ufffd]/u;
const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

/** `bytes` is asked for only when the text alone does not tell. */
export function textFault(text: string, bytes: () => Buffer): string | undefined {
  if (!SUSPECT.test(text)) return undefined;
  if (text.includes("\u0000")) return "MQTT-1.5.3-2";
  if (FORBIDDEN.test(text)) return "MQTT 1.5.3";
  return isUtf8(bytes()) ? undefined : "MQTT-1.5.3-1";
}

const SLASH = 0x2f;

/** Of a name that is let go because it is too long: all that is looked at in a shorter one. `cmd` is that of its packet. */
export function longNameFault(bytes: Buffer, cmd: string, maxLevels: number): string | undefined {
  if (!isUtf8(bytes)) return "MQTT-1.5.3-1";
  const name = bytes.toString("utf8");
  const fault = textFault(name, () => bytes);
  if (fault !== undefined || cmd === "connect") return fault;
  let levels = 1;
  for (const byte of bytes) if (byte === SLASH) levels += 1;
  if (levels > maxLevels) return "topic has too many levels";
  return cmd === "publish" ? topicFault(name) : filterFault(name);
}

export const WRONG_LEVEL = "MQTT-3.1.2-2";

/** What each wire says of itself, and the one level that is spoken of it. */
const PROTOCOLS: Readonly<Record<string, number>> = { MQTT: 4, MQIsdp: 3 };
const RESERVED = 0x01;
const WILL = 0x04;
const WILL_QOS = 0x18;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USER_NAME = 0x80;

/** Of the body of a CONNECT; `WRONG_LEVEL` is answered with return code 1, anything else with silence. */
export function connectFault(body: Buffer): string | undefined {
  const nameEnd = 2 + (body.length < 2 ? 0 : body.readUInt16BE(0));
  const level = PROTOCOLS[body.toString("utf8", 2, nameEnd)];
  if (level === undefined) return "MQTT-3.1.2-1";
  if (body.length > nameEnd && body[nameEnd] !== level) return WRONG_LEVEL;
  const flags = body[nameEnd + 1];
  // No place for the keepalive behind it.
  if (flags === undefined || body.length < nameEnd + 4) return "MQTT 3.1.2";
  if ((flags & RESERVED) !== 0) return "MQTT-3.1.2-3";
  if ((flags & WILL_QOS) === WILL_QOS) return "MQTT-3.1.2-14";
  if ((flags & WILL) === 0 && (flags & WILL_QOS) !== 0) return "MQTT-3.1.2-13";
  if ((flags & WILL) === 0 && (flags & WILL_RETAIN) !== 0) return "MQTT-3.1.2-15";
  if ((flags & USER_NAME) === 0 && (flags & PASSWORD) !== 0) return "MQTT-3.1.2-22";
  const fields = [true, flags & WILL, flags & WILL, flags & USER_NAME, flags & PASSWORD].filter(Boolean).length;
  if (endOfFields(body, nameEnd + 4, fields) !== body.length) return "MQTT-3.1.3-1";
  const will = (flags & WILL) === 0 ? undefined : endOfFields(body, nameEnd + 4, 1);
  return will === undefined ? undefined : topicFault(body.toString("latin1", will + 2, endOfFields(body, will, 1)));
}

/** Where so many fields with a length before each of them end; `undefined` when they are cut off. */
function endOfFields(body: Buffer, from: number, count: number): number | undefined {
  let at = from;
  for (let field = 0; field < count; field += 1) {
    if (at + 2 > body.length) return undefined;
    at += 2 + body.readUInt16BE(at);
  }
  return at > body.length ? undefined : at;
}

/** Of a packet that was parsed; `bodyRead` is how far the parser came in it. */
export function packetFault(packet: Packet, bodyRead: number): string | undefined {
  switch (packet.cmd) {
    case "publish":
      if (packet.qos > 0 && (lacksIdentifier(packet) || bodyRead > (packet.length ?? 0))) return "MQTT-2.3.1-1";
      return topicFault(packet.topic);
    case "subscribe":
      if (lacksIdentifier(packet)) return "MQTT-2.3.1-1";
      if (packet.subscriptions.length === 0) return "MQTT-3.8.3-3";
      return packet.subscriptions.map(({ topic }) => filterFault(topic)).find(Boolean);
    case "unsubscribe":
      if (lacksIdentifier(packet)) return "MQTT-2.3.1-1";
      if (packet.unsubscriptions.length === 0) return "MQTT-3.10.3-2";
      return packet.unsubscriptions.map(filterFault).find(Boolean);
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp":
      return lacksIdentifier(packet) ? "MQTT-2.3.1-1" : undefined;
    default:
      return undefined;
  }
}

/** The parser says -1 when nothing of the packet, nor behind it, is there to be read as one. */
function lacksIdentifier({ messageId = 0 }: Packet): boolean {
  return messageId < 1;
}

function topicFault(topic: string): string | undefined {
  if (topic.length === 0) return "MQTT-4.7.3-1";
  return topic.includes("#") || topic.includes("+") ? "MQTT-3.3.2-2" : undefined;
}

function filterFault(filter: string): string | undefined {
  if (filter.length === 0) return "MQTT-4.7.3-1";
  if (/#.|[^/]#/s.test(filter)) return "MQTT-4.7.1-2";
  return /[^/]\+|\+[^/]/s.test(filter) ? "MQTT-4.7.1-3" : undefined;
}
