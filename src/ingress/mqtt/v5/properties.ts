/**
 * The properties of a packet that a client of MQTT 5 sends (2.2.2), read strictly: each only where it belongs, once, of its type,
 * within its bounds. What the gateway uses is handed out; user properties, correlation data and texts are looked at and passed
 * over, so that nothing of them can be kept.
 */
import { textFault } from "../rules/strings.ts";

export interface Properties {
  readonly sessionExpiryInterval?: number;
  readonly receiveMaximum?: number;
  readonly maximumPacketSize?: number;
  readonly requestProblemInformation?: number;
  readonly authenticationMethod?: true;
  readonly authenticationData?: true;
  readonly payloadFormatIndicator?: number;
  /** Seconds. */
  readonly messageExpiryInterval?: number;
  readonly topicAlias?: number;
  readonly subscriptionIdentifier?: number;
}

/** Packets with properties, as mqtt-packet names them, and the will, that has some of its own. */
export type Carrier = "connect" | "will" | "publish" | "subscribe" | "unsubscribe" | "disconnect" | "acknowledgement";

/** A byte that is 0 or 1, numbers of two and four bytes, a number of variable length, text, bytes, two texts. */
type Kind = "flag" | "u16" | "u32" | "var" | "text" | "binary" | "pair";

interface Row {
  readonly name: string;
  readonly kind: Kind;
  readonly in: readonly Carrier[];
  /** Handed out. */
  readonly used?: true;
  /** The fault of a value of 0, where that is none. */
  readonly zero?: string;
}

export const NOT_HERE = "MQTT 5, 2.2.2.2: property";
export const TWICE = "MQTT 5, 2.2.2.2: twice";
export const ZERO = "MQTT 5, 2.2.2.2: value";
export const ALIAS = "MQTT 5, 3.3.2.3.4";
/** What ends before it should, or is written longer than it may be. */
export const CUT = "MQTT 5, 1.5";
export const WILDCARD = "MQTT-3.3.2-14";

const ROWS: Readonly<Record<number, Row>> = {
  1: { name: "payloadFormatIndicator", kind: "flag", in: ["publish", "will"], used: true },
  2: { name: "messageExpiryInterval", kind: "u32", in: ["publish", "will"], used: true },
  3: { name: "contentType", kind: "text", in: ["publish", "will"] },
  8: { name: "responseTopic", kind: "text", in: ["publish", "will"] },
  9: { name: "correlationData", kind: "binary", in: ["publish", "will"] },
  11: { name: "subscriptionIdentifier", kind: "var", in: ["publish", "subscribe"], used: true, zero: ZERO },
  17: { name: "sessionExpiryInterval", kind: "u32", in: ["connect", "disconnect"], used: true },
  21: { name: "authenticationMethod", kind: "text", in: ["connect"], used: true },
  22: { name: "authenticationData", kind: "binary", in: ["connect"], used: true },
  23: { name: "requestProblemInformation", kind: "flag", in: ["connect"], used: true },
  24: { name: "willDelayInterval", kind: "u32", in: ["will"] },
  25: { name: "requestResponseInformation", kind: "flag", in: ["connect"] },
  31: { name: "reasonString", kind: "text", in: ["acknowledgement", "disconnect"] },
  33: { name: "receiveMaximum", kind: "u16", in: ["connect"], used: true, zero: ZERO },
  34: { name: "topicAliasMaximum", kind: "u16", in: ["connect"] },
  35: { name: "topicAlias", kind: "u16", in: ["publish"], used: true, zero: ALIAS },
  39: { name: "maximumPacketSize", kind: "u32", in: ["connect"], used: true, zero: ZERO },
};
const USER_PROPERTY = 0x26;
const RESPONSE_TOPIC = 0x08;
const PLUS = 0x2b;
const HASH = 0x23;

export const NONE: Properties = Object.freeze({});

export interface PropertiesRead {
  readonly properties: Properties;
  /** Behind the last of them. */
  readonly end: number;
}

/** A statement that was broken, or what was read of `bytes` from `start` on. */
export function readProperties(bytes: Buffer, start: number, carrier: Carrier): PropertiesRead | string {
  // Most packets have none.
  if (bytes[start] === 0) return { properties: NONE, end: start + 1 };
  const cursor = new Cursor(bytes, start);
  const length = cursor.variable();
  const end = cursor.at + length;
  if (cursor.fault !== undefined || end > bytes.length) return CUT;
  const body = new Cursor(bytes.subarray(0, end), cursor.at);
  const seen = new Set<number>();
  const properties: Record<string, number | true> = {};
  while (body.at < end) {
    const id = body.variable();
    if (id === USER_PROPERTY) {
      body.read("pair");
    } else {
      const row = Object.hasOwn(ROWS, id) ? ROWS[id] : undefined;
      if (row === undefined || !row.in.includes(carrier)) return body.fault ?? NOT_HERE;
      if (seen.has(id)) return TWICE;
      seen.add(id);
      const value = body.read(row.kind);
      if (value === 0 && row.zero !== undefined) return body.fault ?? row.zero;
      if (id === RESPONSE_TOPIC && body.hasWildcard()) return WILDCARD;
      if (row.used === true) properties[row.name] = value ?? true;
    }
    if (body.fault !== undefined) return body.fault;
  }
  return { properties, end };
}

/** Reads on from a place, never beyond the end; the first fault stays. */
class Cursor {
  readonly #bytes: Buffer;
  at: number;
  fault: string | undefined;
  #textAt = 0;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** The value of a number; texts and bytes are passed over. */
  read(kind: Kind): number | undefined {
    switch (kind) {
      case "flag":
        return this.#flag();
      case "u16":
        return this.#number(2);
      case "u32":
        return this.#number(4);
      case "var":
        return this.variable();
      case "binary":
        this.at = this.#counted();
        return undefined;
      case "text":
        this.#text();
        return undefined;
      case "pair":
        this.#text();
        this.#text();
        return undefined;
    }
  }

  /** [MQTT-1.5.5-1]: in no more bytes than it needs. */
  variable(): number {
    let value = 0;
    for (let index = 0; index < 4; index += 1) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) break;
      this.at += 1;
      value += (byte & 0x7f) * 128 ** index;
      if (byte < 0x80) {
        if (byte === 0 && index > 0) break;
        return value;
      }
    }
    this.fault ??= CUT;
    return 0;
  }

  #flag(): number {
    const value = this.#number(1);
    if (value > 1) this.fault ??= ZERO;
    return value;
  }

  #number(size: number): number {
    if (this.at + size > this.#bytes.length) {
      this.fault ??= CUT;
      this.at = this.#bytes.length;
      return 0;
    }
    const value = this.#bytes.readUIntBE(this.at, size);
    this.at += size;
    return value;
  }

  /** Of the text read last. */
  hasWildcard(): boolean {
    return this.#bytes.subarray(this.#textAt, this.at).some((byte) => byte === PLUS || byte === HASH);
  }

  /** Where so many bytes end that a length stands before; what is cut off ends with the packet. */
  #counted(): number {
    const length = this.#number(2);
    const end = this.at + length;
    if (end > this.#bytes.length) this.fault ??= CUT;
    return Math.min(end, this.#bytes.length);
  }

  /** A client chooses how many there are: most are passed over byte by byte, and nothing is made of them. */
  #text(): void {
    const end = this.#counted();
    this.#textAt = this.at;
    while (this.at < end && isPlain(this.#bytes[this.at])) this.at += 1;
    if (this.at === end) return;
    this.at = end;
    const bytes = this.#bytes.subarray(this.#textAt, end);
    this.fault ??= textFault(bytes.toString("utf8"), () => bytes);
  }
}

/** ASCII that can be printed. */
function isPlain(byte = 0): boolean {
  return byte >= 0x20 && byte <= 0x7e;
}
