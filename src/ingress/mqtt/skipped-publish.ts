/**
 * A PUBLISH of a hub that is longer than anything that is taken of one: lists of all its devices, mostly. Its topic and packet
 * identifier are kept, so that it can be answered, and of the rest not a byte.
 */
import type { ParserInternals } from "./aedes-internals.ts";

const LENGTH_BYTES = 2;
const ID_BYTES = 2;

export class SkippedPublish {
  readonly #parser: ParserInternals;
  #head: Buffer | undefined;
  #left: number;

  constructor(parser: ParserInternals) {
    this.#parser = parser;
    this.#left = parser.packet.length;
  }

  /** Passes over what has come. True once all of it has: the parser then finds a PUBLISH without a payload. */
  pass(): boolean {
    const { _list: list, packet } = this.#parser;
    if (this.#head === undefined) {
      if (list.length < LENGTH_BYTES) return false;
      const bytes = LENGTH_BYTES + list.readUInt16BE(0) + (packet.qos > 0 ? ID_BYTES : 0);
      // One that ends before its topic is for the parser to refuse, as soon as it is there.
      if (list.length < Math.min(bytes, packet.length)) return false;
      this.#head = Buffer.from(list.slice(0, Math.min(bytes, packet.length)));
      this.#drop(this.#head.length);
    }
    this.#drop(Math.min(this.#left, list.length));
    if (this.#left > 0) return false;
    const next = list.slice();
    list.consume(next.length);
    list.append(this.#head);
    if (next.length > 0) list.append(next);
    packet.length = this.#head.length;
    return true;
  }

  #drop(bytes: number): void {
    this.#parser._list.consume(bytes);
    this.#left -= bytes;
  }
}
