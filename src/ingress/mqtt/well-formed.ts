/**
 * What makes a packet ill-formed, statement by statement of MQTT 3.1.1 and, where it says so, of MQTT 5: anyone who sends one loses
 * the connection [MQTT-4.8.0-1]. Each check answers with the statement that was broken. mqtt-packet and Aedes look at the rest.
 * `docs/mqtt-conformance.md` lists them all, beside what Mosquitto does.
 */
import type { Packet } from "mqtt-packet";
import { isShared } from "../services/topics.ts";
import type { PacketHeader } from "./aedes-internals.ts";
import { endOfFields, flagsFault, PASSWORD, USER_NAME, WILL } from "./rules/connect-flags.ts";
import { filterFault, topicFault } from "./rules/strings.ts";
import { connectFault as connectFault5 } from "./v5/connect.ts";

/** Packets whose length is fixed (3.4 to 3.7, 3.12, 3.14), in bytes; in MQTT 5 that of PINGREQ alone is. */
const LENGTHS: Readonly<Record<string, number>> = {
  puback: 2,
  pubrec: 2,
  pubrel: 2,
  pubcomp: 2,
  pingreq: 0,
  disconnect: 0,
};

/** What only a server sends, types that MQTT 3.1.1 does not have (2.2.1), and in MQTT 5 what answers to a question no one asked. */
const NEVER_FROM_A_CLIENT: ReadonlySet<string> = new Set([
  "connack",
  "suback",
  "unsuback",
  "pingresp",
  "reserved",
  "auth",
]);

/** Looked at before a byte of the body is kept. */
export function headerFault(
  { cmd, qos, dup, length }: PacketHeader,
  connectSeen: boolean,
  isVersion5: boolean,
): string | undefined {
  if (!connectSeen && cmd !== "connect") return "MQTT-3.1.0-1";
  if (connectSeen && cmd === "connect") return "MQTT-3.1.0-2";
  if (NEVER_FROM_A_CLIENT.has(cmd)) return "MQTT 2.2.1";
  if (cmd === "publish" && dup && qos === 0) return "MQTT-3.3.1-2";
  const fixed = isVersion5 && cmd !== "pingreq" ? undefined : LENGTHS[cmd];
  return fixed !== undefined && fixed !== length ? "MQTT 2.2.3" : undefined;
}

export const WRONG_LEVEL = "MQTT-3.1.2-2";

/** What each wire says of itself, and the levels that are spoken of it. */
const PROTOCOLS: Readonly<Record<string, readonly number[]>> = { MQTT: [4, 5], MQIsdp: [3] };
const VERSION_5 = 5;

export interface ConnectCheck {
  readonly fault: string | undefined;
  /** It speaks MQTT 5, or what came after it. */
  readonly isVersion5: boolean;
}

/** Of the body of a CONNECT. */
export function checkConnect(body: Buffer): ConnectCheck {
  const nameEnd = 2 + (body.length < 2 ? 0 : body.readUInt16BE(0));
  const levels = PROTOCOLS[body.toString("utf8", 2, nameEnd)];
  if (levels === undefined) return { fault: "MQTT-3.1.2-1", isVersion5: false };
  const level = body[nameEnd];
  const isVersion5 = level !== undefined && levels.includes(VERSION_5) && level >= VERSION_5 && level < 0x80;
  if (level !== undefined && !levels.includes(level)) return { fault: WRONG_LEVEL, isVersion5 };
  return { fault: isVersion5 ? connectFault5(body, nameEnd + 1) : connectFault(body, nameEnd + 1), isVersion5 };
}

/** From its flags on. */
function connectFault(body: Buffer, flagsAt: number): string | undefined {
  const flags = body[flagsAt];
  const fieldsAt = flagsAt + 3;
  // No place for the keepalive behind it.
  if (flags === undefined || body.length < fieldsAt) return "MQTT 3.1.2";
  const fault = flagsFault(flags);
  if (fault !== undefined) return fault;
  if ((flags & USER_NAME) === 0 && (flags & PASSWORD) !== 0) return "MQTT-3.1.2-22";
  const fields = [true, flags & WILL, flags & WILL, flags & USER_NAME, flags & PASSWORD].filter(Boolean).length;
  if (endOfFields(body, fieldsAt, fields) !== body.length) return "MQTT-3.1.3-1";
  const will = (flags & WILL) === 0 ? undefined : endOfFields(body, fieldsAt, 1);
  return will === undefined ? undefined : topicFault(body.toString("latin1", will + 2, endOfFields(body, will, 1)));
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
      if (packet.subscriptions.some(({ topic, nl }) => nl === true && isShared(topic))) return "MQTT-3.8.3-4";
      return packet.subscriptions.map(({ topic }) => filterFault(topic)).find(Boolean);
    case "unsubscribe":
      if (lacksIdentifier(packet)) return "MQTT-2.3.1-1";
      if (packet.unsubscriptions.length === 0) return "MQTT-3.10.3-2";
      return packet.unsubscriptions.map(filterFault).find(Boolean);
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp":
      // The parser reads on beyond a packet that is too short, and passes over what is too much.
      if (bodyRead !== packet.length) return "MQTT 2.2.3";
      return lacksIdentifier(packet) ? "MQTT-2.3.1-1" : undefined;
    default:
      return undefined;
  }
}

/** The parser says -1 when nothing of the packet, nor behind it, is there to be read as one. */
function lacksIdentifier({ messageId = 0 }: Packet): boolean {
  return messageId < 1;
}
