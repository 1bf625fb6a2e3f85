/**
 * A PUBLISH of a hub that is longer than anything that is taken of one: lists of all its devices, mostly. Its topic and packet
 * identifier are kept, so that it can be answered, and of the rest not a byte.
 */
import type { ParserInternals } from "./aedes-internals.ts";

const LENGTH_BYTES = 2;
const ID_BYTES = 2;
const MAX_VARIABLE_BYTES = 4;

export class SkippedPublish {
  readonly #parser: ParserInternals;
  readonly #hasProperties: boolean;
  readonly #maxHeadBytes: number;
  #head: Buffer | undefined;
  #left: number;

  /** `hasProperties`: of MQTT 5. `maxHeadBytes`: as much as any other packet may hold. */
  constructor(parser: ParserInternals, hasProperties: boolean, maxHeadBytes: number) {
    this.#parser = parser;
    this.#hasProperties = hasProperties;
    this.#maxHeadBytes = maxHeadBytes;
    this.#left = parser.packet.length;
  }

  /**
   * Passes over what has come. `whole` once all of it has: the parser then finds a PUBLISH without a payload. `oversize` when
   * what stands before the payload is itself longer than a packet may be.
   */
  pass(): "whole" | "part" | "oversize" {
    const { _list: list, packet } = this.#parser;
    if (this.#head === undefined) {
      const bytes = this.#headBytes();
      if (bytes === undefined) return "part";
      if (bytes > this.#maxHeadBytes) return "oversize";
      // One that ends before its topic is for the parser to refuse, as soon as it is there.
      if (list.length < Math.min(bytes, packet.length)) return "part";
      this.#head = Buffer.from(list.slice(0, Math.min(bytes, packet.length)));
      this.#drop(this.#head.length);
    }
    this.#drop(Math.min(this.#left, list.length));
    if (this.#left > 0) return "part";
    const next = list.slice();
    list.consume(next.length);
    list.append(this.#head);
    if (next.length > 0) list.append(next);
    packet.length = this.#head.length;
    return "whole";
  }

  /** `undefined` until enough has come to know it. */
  #headBytes(): number | undefined {
    const { _list: list, packet } = this.#parser;
    if (list.length < LENGTH_BYTES) return undefined;
    const bytes = LENGTH_BYTES + list.readUInt16BE(0) + (packet.qos > 0 ? ID_BYTES : 0);
    if (!this.#hasProperties || bytes >= packet.length) return bytes;
    const length = lengthAt(list.slice(bytes, Math.min(bytes + MAX_VARIABLE_BYTES, list.length)));
    return length === undefined ? undefined : bytes + length;
  }

  #drop(bytes: number): void {
    this.#parser._list.consume(bytes);
    this.#left -= bytes;
  }
}

/** Of a length of variable size and as many bytes behind it; one that is too long to be read ends where it stops. */
function lengthAt(bytes: Buffer): number | undefined {
  let length = 0;
  for (const [index, byte] of bytes.entries()) {
    length += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return index + 1 + length;
  }
  return bytes.length === MAX_VARIABLE_BYTES ? MAX_VARIABLE_BYTES : undefined;
}
