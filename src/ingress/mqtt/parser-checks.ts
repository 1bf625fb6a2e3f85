/**
 * What is looked at while the parser of mqtt-packet reads a packet: whether it may begin, whether it is well-formed, and whether it is
 * small enough, before any of it is kept. It wraps private methods of the parser, which is why mqtt-packet is pinned to an exact
 * version and a test feeds real bytes.
 */
import type { Client } from "aedes";
import type { IDisconnectPacket } from "mqtt-packet";
import { type ClientInternals, internals, type ParserInternals } from "./aedes-internals.ts";
import { peer5 } from "./peers.ts";
import { longNameFault, TOO_LONG, textFault } from "./rules/strings.ts";
import { SkippedPublish } from "./skipped-publish.ts";
import { type Carrier, CUT, NONE, type Properties, readProperties } from "./v5/properties.ts";
import { checkConnect, headerFault } from "./well-formed.ts";

export interface PacketLimits {
  readonly maxPacketBytes: number;
  /** Smaller: nothing is known of the peer before CONNECT is done. */
  readonly maxConnectPacketBytes: number;
  /** The same for a hub; of a PUBLISH between the two nothing is kept. */
  readonly maxHubPacketBytes: number;
  /** Of a longer name of a topic or filter nothing is kept. */
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
  /** Publishes in progress. */
  readonly inFlightPerConnection: number;
}

/** That which reads the connection. */
export interface Reader {
  /** Whether the next packet may go on right away. */
  readonly open: boolean;
  /** Ends the connection for an ill-formed packet. */
  end(fault: string): void;
  oversize(): void;
}

interface CheckPorts {
  readonly reader: Reader;
  /** Whether a hub has logged in, or another device whose firmware publishes what is larger than any message. */
  readonly maySendLarge: () => boolean;
}

/** Packets whose properties say something; those of all others belong to an acknowledgement. */
const CARRIERS: Readonly<Record<string, Carrier>> = {
  connect: "connect",
  publish: "publish",
  subscribe: "subscribe",
  unsubscribe: "unsubscribe",
  disconnect: "disconnect",
};

/** For one connection: what is known of it so far, and of the packet being parsed. */
export class ParserChecks {
  connectSeen = false;
  isVersion5 = false;
  /** The parser was stopped before a packet that had come. */
  stopped = false;
  /** The packet being parsed is passed over. */
  skipping: SkippedPublish | undefined;
  /** The statement that the packet being parsed has broken. */
  fault: string | undefined;
  readonly #client: Client;
  readonly #inside: ClientInternals;
  readonly #parser: ParserInternals;
  readonly #limits: PacketLimits;
  readonly #reader: Reader;
  readonly #maySendLarge: () => boolean;

  constructor(client: Client, limits: PacketLimits, { reader, maySendLarge }: CheckPorts) {
    this.#client = client;
    this.#inside = internals(client);
    this.#parser = this.#inside._parser;
    this.#limits = limits;
    this.#reader = reader;
    this.#maySendLarge = maySendLarge;
    this.#bound();
    this.#check();
  }

  /** The parser's own steps, with a look before each of them. */
  #bound(): void {
    const parser = this.#parser;
    const { _parseHeader: parseHeader, _parseLength: parseLength, _parsePayload: parsePayload } = parser;
    // The parser stops here, before a packet, and goes on with the next call of `parse`.
    parser._parseHeader = () => {
      this.stopped = !this.#reader.open;
      return !this.stopped && parseHeader.call(parser);
    };
    parser._parseLength = () => {
      const before = parser._list.length;
      if (!parseLength.call(parser)) return false;
      const lengthBytes = before - parser._list.length;
      const { maxPacketBytes, maxHubPacketBytes, maxConnectPacketBytes } = this.#limits;
      const limit = this.#inside._authorized ? maxPacketBytes : maxConnectPacketBytes;
      const { cmd, length } = parser.packet;
      const isLong = this.isVersion5 && lengthBytes > 1 && length < 128 ** (lengthBytes - 1);
      const fault = isLong ? CUT : headerFault(parser.packet, this.connectSeen, this.isVersion5);
      if (fault === undefined && length <= limit) return true;
      if (fault === undefined && cmd === "publish" && length <= maxHubPacketBytes && this.#maySendLarge()) {
        this.skipping = new SkippedPublish(parser, this.isVersion5, maxPacketBytes);
        return true;
      }
      if (fault === undefined) this.#reader.oversize();
      else this.#reader.end(fault);
      return false;
    };
    parser._parsePayload = () => {
      const passed = this.skipping?.pass() ?? "whole";
      if (passed === "oversize") this.#reader.oversize();
      return passed === "whole" && parsePayload.call(parser);
    };
  }

  #check(): void {
    const parser = this.#parser;
    const { _parseConnect: parseConnect, _parseString: parseString } = parser;
    parser._parseConnect = () => {
      const { fault, isVersion5 } = checkConnect(parser._list.slice(0, parser.packet.length));
      this.fault = fault;
      this.isVersion5 = isVersion5;
      return fault === undefined ? parseConnect.call(parser) : undefined;
    };
    // Reached with MQTT 5 alone.
    parser._parseProperties = () => this.#properties();
    parser._parseDisconnect = () => {
      if (this.isVersion5) this.#disconnect(parser.packet as unknown as IDisconnectPacket);
    };
    parser._parseString = () => {
      const start = parser._pos;
      if (this.#longAt(start)) {
        const end = start + 2 + parser._list.readUInt16BE(start);
        if (end > parser.packet.length) return null;
        parser._pos = end;
        const bytes = parser._list.slice(start + 2, end);
        this.fault ??= longNameFault(bytes, parser.packet.cmd, this.#limits.maxTopicLevels);
        return TOO_LONG;
      }
      const text = parseString.call(parser);
      if (text !== null) this.fault ??= textFault(text, () => parser._list.slice(start + 2, parser._pos));
      return text;
    };
  }

  #longAt(start: number): boolean {
    const { _list: list } = this.#parser;
    return list.length - start >= 2 && list.readUInt16BE(start) > this.#limits.maxTopicBytes;
  }

  #properties(): Properties {
    const parser = this.#parser;
    const { cmd, length, clientId } = parser.packet;
    // The second ones of a CONNECT are those of its will.
    const carrier = cmd === "connect" && clientId !== undefined ? "will" : CARRIERS[cmd];
    const read = readProperties(parser._list.slice(0, length), parser._pos, carrier ?? "acknowledgement");
    if (typeof read === "string") {
      this.fault ??= read;
      parser._pos = length;
      return NONE;
    }
    parser._pos = read.end;
    return read.properties;
  }

  /** The parser would read on where there is neither a reason code nor a property. */
  #disconnect(packet: IDisconnectPacket): void {
    const parser = this.#parser;
    const { length } = parser.packet;
    packet.reasonCode = length === 0 ? 0 : (parser._list.slice(0, 1)[0] ?? 0);
    parser._pos = Math.min(length, 1);
    const { sessionExpiryInterval } = length > 1 ? this.#properties() : NONE;
    if (peer5(this.#client)?.mayExpireAfter(sessionExpiryInterval) === false) this.fault ??= "MQTT-3.14.2.2.2";
    if (parser._pos !== length) this.fault ??= CUT;
  }
}
