/**
 * Reads one connection packet by packet, in place of Aedes, which hands out whatever one read of the socket brings,
 * hundreds of packets, at once. Nothing is parsed that may not go on right away: until then it stays in the socket.
 * Of packets that are not published one is in progress at a time; most of them are Aedes'. Whatever a peer sends is bounded
 * before it is kept, and an ill-formed packet ends the connection (parser-checks.ts). It takes the place of private methods of Aedes,
 * which is why aedes is pinned to an exact version and a test feeds real bytes.
 */
import type { Client } from "aedes";
import type { IPublishPacket, ISubscribePacket, IUnsubscribePacket, Packet } from "mqtt-packet";
import { type ClientInternals, internals, type ParserInternals } from "./aedes-internals.ts";
import { endFaulty, endForBreach } from "./ends.ts";
import { REFUSED_LEVEL, refusedConnect } from "./packets-out.ts";
import { type PacketLimits, ParserChecks, type Reader } from "./parser-checks.ts";
import { meetPeer5, peer5 } from "./peers.ts";
import type { Unfinished } from "./unfinished.ts";
import type { Served } from "./v5/peer.ts";
import { faultCode, UNSUPPORTED_VERSION } from "./v5/reason-codes.ts";
import { packetFault, WRONG_LEVEL } from "./well-formed.ts";
import { bytesOf, wholePublish } from "./whole-publish.ts";

export interface PacketPorts {
  /** Takes a PUBLISH over, and calls `done` when it is dealt with. */
  readonly publish: (packet: IPublishPacket, done: () => void) => void;
  readonly release: (messageId: number) => void;
  /** Takes a SUBSCRIBE over, and calls `done` once it is answered. */
  readonly subscribe: (packet: ISubscribePacket, done: () => void) => void;
  readonly unsubscribe: (packet: IUnsubscribePacket, done: () => void) => void;
  /** What a client of MQTT 5 is told of the limits. */
  readonly served: () => Served;
  readonly oversize: () => void;
  /** Whether a hub has logged in, or another device whose firmware publishes what is larger than any message. */
  readonly maySendLarge: () => boolean;
  readonly unfinished: Unfinished;
}

/** So many pieces of an unfinished packet are kept apart; a peer that sends bytes one by one would make objects of each. */
const MAX_PIECES = 16;

/** Steps of the parser: before a packet, and behind its fixed header. */
const HEADER = 0;
const PAYLOAD = 2;

const skipped = new WeakSet<Packet>();

/** Whether its payload was too long to be kept, and there is nothing of it. */
export function wasSkipped(packet: Packet): boolean {
  return skipped.has(packet);
}

export class PacketReader implements Reader {
  readonly #client: Client;
  readonly #inside: ClientInternals;
  readonly #parser: ParserInternals;
  readonly #checks: ParserChecks;
  readonly #limits: PacketLimits;
  readonly #ports: PacketPorts;
  readonly #toAedes: (packet: Packet) => void;
  #paused = false;
  /** A packet is dealt with that is not published. */
  #busy = false;
  #underWay = 0;
  #reading = false;

  /** From here on Aedes reads nothing of this connection itself. */
  constructor(client: Client, limits: PacketLimits, ports: PacketPorts) {
    this.#client = client;
    this.#limits = limits;
    this.#ports = ports;
    this.#inside = internals(client);
    this.#parser = this.#inside._parser;
    this.#toAedes = this.#parser.listeners("packet")[0] as (packet: Packet) => void;
    this.#parser.removeAllListeners("packet");
    this.#parser.on("packet", (packet) => this.#packet(packet));
    this.#parser.removeAllListeners("error");
    this.#parser.on("error", (error) => this.end(this.#checks.fault ?? error.message));
    this.#checks = new ParserChecks(client, limits, { reader: this, maySendLarge: ports.maySendLarge });
    client.conn.removeListener("readable", this.#inside._nextBatch);
    client.conn.on("readable", () => this.#go());
    client.conn.once("close", () => ports.unfinished.gone(client));
    this.#inside._nextBatch = (error) => this.#dealtWith(error);
    this.#inside.pause = () => {
      this.#paused = true;
    };
    this.#inside.resume = () => {
      this.#paused = false;
      this.#go();
    };
  }

  /** Whether the next packet may go on right away. */
  get open(): boolean {
    const { closed, conn } = this.#client;
    if (this.#paused || this.#busy || closed || conn.destroyed) return false;
    return this.#underWay < this.#limits.inFlightPerConnection;
  }

  /** Goes on with what was received, then with what the socket holds, for as long as it may. */
  #go(): void {
    if (this.#reading || !this.open) return;
    this.#reading = true;
    let bytes = (this.#checks.stopped ? this.#received() : undefined) ?? this.#read();
    while (bytes !== undefined) {
      this.#take(bytes);
      bytes = this.open ? this.#read() : undefined;
    }
    this.#reading = false;
    if (this.#client.closed) return;
    this.#tidy();
    // Complete packets that have to wait are bounded by what one read brings; a peer chooses how much it leaves undone.
    this.#ports.unfinished.keeps(this.#client, this.open ? this.#parser._list.length : 0);
  }

  /** A PUBLISH that has come whole is read here, and everything else by the parser, in the order in which it came. */
  #take(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const packet = this.#mayTakeWhole ? wholePublish(bytes, at, this.#checks.isVersion5, this.#limits) : undefined;
      if (packet === undefined) {
        const to = at + this.#parsersShare(bytes.length - at);
        this.#parser.parse(bytes.subarray(at, to));
        at = to;
      } else {
        at += bytesOf(packet);
        this.#inside._keepaliveTimer?.refresh();
        this.#publish(packet);
      }
    }
  }

  /** Nothing is with the parser that comes before it. */
  get #mayTakeWhole(): boolean {
    const { _list: list, _stateCounter: state } = this.#parser;
    return list.length === 0 && state === HEADER && this.#checks.connectSeen && this.#inside._authorized && this.open;
  }

  /** Of so many bytes: up to the end of the packet whose beginning the parser has, so that what follows can be taken whole again. */
  #parsersShare(bytes: number): number {
    const { _list: list, _stateCounter: state, packet } = this.#parser;
    if (this.#checks.skipping !== undefined || !this.open || (state === HEADER && list.length === 0)) return bytes;
    return state === PAYLOAD ? Math.min(bytes, Math.max(1, packet.length - list.length)) : 1;
  }

  /** Taken out of the parser, to be handed to it again. */
  #received(): Buffer | undefined {
    const { _list: list } = this.#parser;
    if (list.length === 0) return undefined;
    const bytes = list.slice();
    list.consume(bytes.length);
    return bytes;
  }

  #read(): Buffer | undefined {
    return (this.#client.conn.read() as Buffer | null) ?? undefined;
  }

  /** What is left of a packet must not keep the memory of many small reads, or of a large one, for a few bytes. */
  #tidy(): void {
    const { _list: list } = this.#parser;
    if (list.length === 0) return;
    const pieces = list.getBuffers();
    const held = pieces.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    if (pieces.length <= MAX_PIECES && held <= 2 * list.length) return;
    const copy = Buffer.allocUnsafeSlow(list.length);
    list.slice().copy(copy);
    list.consume(copy.length);
    list.append(copy);
  }

  #packet(packet: Packet): void {
    const fault = this.#checks.fault ?? this.#resolved(packet) ?? packetFault(packet, this.#parser._pos);
    if (fault !== undefined) {
      this.end(fault);
      return;
    }
    this.#inside._keepaliveTimer?.refresh();
    switch (packet.cmd) {
      case "publish":
        if (this.#checks.skipping !== undefined) skipped.add(packet);
        this.#checks.skipping = undefined;
        this.#publish(packet);
        break;
      case "pubrel":
        this.#ports.release(packet.messageId ?? 0);
        break;
      case "subscribe":
        this.#busy = true;
        this.#ports.subscribe(packet, () => this.#dealtWith(undefined));
        break;
      case "unsubscribe":
        this.#busy = true;
        this.#ports.unsubscribe(packet, () => this.#dealtWith(undefined));
        break;
      case "disconnect":
        // With another reason than that all is well, the will is published [MQTT-3.14.4-3]: Aedes does not hear of it.
        if (this.#checks.isVersion5 && packet.reasonCode !== 0) this.#client.conn.destroy();
        else this.#handOver(packet);
        break;
      case "puback":
        peer5(this.#client)?.acknowledged(packet.messageId ?? 0);
        break;
      case "pubrec":
      case "pubcomp":
        // Nothing that was sent is kept until it is acknowledged, and nothing is sent with QoS 2.
        break;
      default:
        this.#handOver(packet);
    }
  }

  #publish(packet: IPublishPacket): void {
    this.#underWay += 1;
    this.#ports.publish(packet, this.#published);
  }

  /** The statement that a PUBLISH of MQTT 5 breaks with its properties. */
  #resolved(packet: Packet): string | undefined {
    return packet.cmd === "publish" && this.#checks.isVersion5 ? peer5(this.#client)?.resolve(packet) : undefined;
  }

  #handOver(packet: Packet): void {
    if (packet.cmd === "connect") {
      this.#checks.connectSeen = true;
      // The CONNECT would hold the password, and the whole read it came with, for as long as the connection lasts.
      this.#parser.settings = this.#checks.isVersion5 ? { protocolVersion: 5 } : {};
      if (this.#checks.isVersion5) meetPeer5(this.#client, packet, this.#ports.served);
    }
    this.#busy = true;
    this.#inside._parsingBatch = 0;
    this.#toAedes.call(this.#parser, packet);
  }

  oversize(): void {
    this.#ports.oversize();
    endFaulty(this.#client, "oversize");
  }

  /** Ends the connection for an ill-formed packet. */
  end(fault: string): void {
    const { conn } = this.#client;
    const refusal = this.#checks.connectSeen ? undefined : this.#connectRefusal(fault);
    if (refusal === undefined) {
      endForBreach(this.#client, fault);
      return;
    }
    this.#busy = true;
    conn.write(refusal, () => endForBreach(this.#client, fault));
  }

  /** What a CONNECT is answered that cannot be read; mostly nothing in MQTT 3.1.1. */
  #connectRefusal(fault: string): Buffer | undefined {
    if (!this.#checks.isVersion5) return fault === WRONG_LEVEL ? REFUSED_LEVEL : undefined;
    return refusedConnect(fault === WRONG_LEVEL ? UNSUPPORTED_VERSION : faultCode(fault));
  }

  #dealtWith(error: Error | null | undefined): void {
    this.#busy = false;
    if (error) this.#client.emit("error", error);
    else this.#go();
  }

  readonly #published = (): void => {
    this.#underWay -= 1;
    if (this.#underWay === this.#limits.inFlightPerConnection - 1) this.#go();
  };
}
