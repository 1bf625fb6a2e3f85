/**
 * The few packets the loader needs of MQTT 3.1.1 and 5, written and read without a client library,
 * because a library costs more CPU than the broker that is being measured.
 */
export type Version = 4 | 5;

/** The version that one of many clients speaks: half of them 3.1.1, half 5. */
export function versionOf(index: number): Version {
  return index % 2 === 0 ? 4 : 5;
}

const CONNECT = 0x10;
const CONNACK = 0x20;
const PUBLISH_QOS1 = 0x32;
const PUBLISH = 0x30;
const PUBACK = 0x40;
const SUBSCRIBE = 0x82;
const SUBACK = 0x90;
const PINGRESP = 0xd0;
/** Before a gateway ends the connection, with MQTT 5. */
const DISCONNECT = 0xe0;
const HEADER_BYTES = 2;

export interface ConnectOptions {
  /** The client id. */
  readonly id: string;
  /** The same, as devices log in, unless given. */
  readonly userName?: string | undefined;
  readonly password: string;
  readonly keepAliveSeconds: number;
  /** 3.1.1 unless given. */
  readonly version?: Version | undefined;
}

/** Where MQTT 5 has properties, and here none. */
function noProperties(version: Version | undefined): Buffer {
  return Buffer.alloc(version === 5 ? 1 : 0);
}

/** CONNECT with clean session, username and password (MQTT 3.1.1, 3.1). */
export function encodeConnect(options: ConnectOptions): Buffer {
  const cleanUserPassword = 0b1100_0010;
  const keepAlive = Buffer.alloc(2);
  keepAlive.writeUInt16BE(options.keepAliveSeconds);
  return framed(CONNECT, [
    lengthPrefixed("MQTT"),
    Buffer.from([options.version ?? 4, cleanUserPassword]),
    keepAlive,
    noProperties(options.version),
    lengthPrefixed(options.id),
    lengthPrefixed(options.userName ?? options.id),
    lengthPrefixed(options.password),
  ]);
}

/** QoS 1 PUBLISH (3.3). The message id stands right behind the topic. */
export function encodePublish(topic: string, messageId: number, payload: Buffer, version?: Version): Buffer {
  const id = Buffer.from([messageId >> 8, messageId & 0xff]);
  return framed(PUBLISH_QOS1, [lengthPrefixed(topic), id, noProperties(version), payload]);
}

/** SUBSCRIBE to one filter at QoS 0 (3.8). */
export function encodeSubscribe(topic: string, version?: Version): Buffer {
  return framed(SUBSCRIBE, [Buffer.from([0, 1]), noProperties(version), lengthPrefixed(topic), Buffer.from([0])]);
}

export interface AckSink {
  connack(returnCode: number): void;
  /** `bytes`: how long it was. */
  puback(messageId: number, bytes: number): void;
}

/** The longest packet that a loader is sent, a DISCONNECT with its reason or a CONNACK, with its header. */
const MAX_BYTES = 129;

/** Reads CONNACK, PUBACK and PINGRESP from a byte stream cut at any place; anything else is an error. */
export class AckParser {
  readonly #sink: AckSink;
  readonly #held = new Uint8Array(MAX_BYTES);
  #heldBytes = 0;

  constructor(sink: AckSink) {
    this.#sink = sink;
  }

  /** The first `length` bytes of `chunk` are new; the buffer may be reused after the call. */
  feed(chunk: Uint8Array, length: number): void {
    let at = this.#heldBytes === 0 ? 0 : this.#completeHeld(chunk, length);
    while (at < length) {
      const size = sizeOf(chunk[at] ?? 0, at + 1 < length ? chunk[at + 1] : undefined);
      if (at + size > length) {
        for (; at < length; at += 1) this.#hold(chunk[at] ?? 0);
        return;
      }
      this.#packet(chunk[at] ?? 0, chunk[at + 2] ?? 0, chunk[at + 3] ?? 0, size);
      at += size;
    }
  }

  /** Returns how many bytes of the chunk belonged to the packet that an earlier chunk began. */
  #completeHeld(chunk: Uint8Array, length: number): number {
    let at = 0;
    while (at < length && this.#heldBytes < this.#sizeOfHeld()) this.#hold(chunk[at++] ?? 0);
    if (this.#heldBytes === this.#sizeOfHeld()) {
      const size = this.#heldBytes;
      this.#heldBytes = 0;
      this.#packet(this.#held[0] ?? 0, this.#held[2] ?? 0, this.#held[3] ?? 0, size);
    }
    return at;
  }

  #sizeOfHeld(): number {
    return sizeOf(this.#held[0] ?? 0, this.#heldBytes > 1 ? this.#held[1] : undefined);
  }

  #hold(byte: number): void {
    this.#held[this.#heldBytes] = byte;
    this.#heldBytes += 1;
  }

  #packet(type: number, third: number, fourth: number, size: number): void {
    if (type === PUBACK) this.#sink.puback((third << 8) | fourth, size);
    else if (type === CONNACK) this.#sink.connack(fourth);
  }
}

export interface SubscriberSink {
  connack(returnCode: number): void;
  suback(returnCode: number): void;
  publish(): void;
}

/** Reads whatever a subscriber is sent from a byte stream cut at any place, and passes over the bodies. */
export class SubscriberParser {
  readonly #sink: SubscriberSink;
  #type = 0;
  /** Bits of the remaining length read so far; -1 between two packets. */
  #shift = -1;
  #length = 0;
  /** Bytes of the body that have not been passed over. */
  #left = 0;
  /** The byte read last: of a SUBACK for one filter it is the return code. */
  #last = 0;
  /** The second byte of the body: of a CONNACK it is the return code. */
  #second = 0;

  constructor(sink: SubscriberSink) {
    this.#sink = sink;
  }

  /** The first `length` bytes of `chunk` are new; the buffer may be reused after the call. */
  feed(chunk: Uint8Array, length: number): void {
    for (let at = 0; at < length; ) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, length - at);
        const second = 1 - (this.#length - this.#left);
        if (second >= 0 && second < passed) this.#second = chunk[at + second] ?? 0;
        at += passed;
        this.#left -= passed;
        this.#last = chunk[at - 1] ?? 0;
        if (this.#left === 0) this.#packet();
      } else this.#header(chunk[at++] ?? 0);
    }
  }

  #header(byte: number): void {
    if (this.#shift === -1) {
      this.#type = byte & 0xf0;
      this.#shift = 0;
      this.#length = 0;
      return;
    }
    this.#length |= (byte & 0x7f) << this.#shift;
    this.#shift += 7;
    if ((byte & 0x80) !== 0) return;
    this.#shift = -1;
    this.#left = this.#length;
  }

  #packet(): void {
    if (this.#type === PUBLISH) this.#sink.publish();
    else if (this.#type === SUBACK) this.#sink.suback(this.#last);
    else if (this.#type === CONNACK) this.#sink.connack(this.#second);
  }
}

/** Of a whole packet, whose length is one byte; more than there is while that has not come. */
function sizeOf(type: number, remaining: number | undefined): number {
  if (type !== PUBACK && type !== CONNACK && type !== PINGRESP && type !== DISCONNECT)
    throw new Error(`the loader cannot read MQTT packet type ${type >> 4}`);
  return remaining === undefined ? MAX_BYTES : HEADER_BYTES + remaining;
}

function framed(header: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([header]), remainingLength(body.length), body]);
}

function remainingLength(bytes: number): Buffer {
  const digits: number[] = [];
  let rest = bytes;
  do {
    const digit = rest % 128;
    rest = Math.floor(rest / 128);
    digits.push(rest > 0 ? digit | 128 : digit);
  } while (rest > 0);
  return Buffer.from(digits);
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}
