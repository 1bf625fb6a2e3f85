/**
 * One device as fast as it may go: a socket of its own, a window of unacknowledged messages, and what was
 * not acknowledged sent again, unchanged, on the next connection.
 */
import { connect, type Socket } from "node:net";
import { AckParser, encodeConnect, type Version } from "../../tools/wire/mqtt-wire.ts";

/** Node hands each read to its callback at once, so one buffer serves every socket of the process. */
const READ_BUFFER = Buffer.allocUnsafe(64 * 1024);
const DUP = 0x08;
const RECONNECT_MS = 150;
const KEEP_ALIVE_S = 1_000;
const MESSAGE_IDS = 65_535;

export interface PublisherOptions {
  readonly id: string;
  readonly token: string;
  /** Unacknowledged messages it may have. */
  readonly window: number;
  readonly version: Version;
  /** Of the gateway it belongs to; asked for each connection. */
  port(): number;
  /** The next message as an encoded PUBLISH with this message id; `undefined` when there is none for now. */
  next(messageId: number): { readonly n: number; readonly packet: Buffer } | undefined;
  acknowledged(n: number): void;
}

interface Unacknowledged {
  readonly messageId: number;
  readonly n: number;
  readonly packet: Buffer;
}

export class Publisher {
  /** Connections that ended without being asked to. */
  lostConnections = 0;
  /** Messages sent once more after a lost connection. */
  repeated = 0;
  readonly #options: PublisherOptions;
  #socket: Socket | undefined;
  #open = false;
  #paused = true;
  #stopped = false;
  #nextMessageId = 1;
  #unacknowledged: Unacknowledged[] = [];
  #quiet: (() => void)[] = [];
  #connected: (() => void) | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Resolves with the first CONNACK that lets it in; tries until then. Sends nothing before `resume`. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#connected = resolve;
      this.#connect();
    });
  }

  /** Sends nothing new. Resolves once everything it sent was acknowledged, however many connections that takes. */
  async quiesce(): Promise<void> {
    this.#paused = true;
    if (this.#unacknowledged.length > 0) await new Promise<void>((resolve) => this.#quiet.push(resolve));
  }

  resume(): void {
    this.#paused = false;
    this.fill();
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.destroy();
  }

  /** Uses what is free of the window. */
  fill(): void {
    if (this.#paused || !this.#open) return;
    const packets: Buffer[] = [];
    while (this.#unacknowledged.length < this.#options.window) {
      const messageId = this.#nextMessageId;
      const message = this.#options.next(messageId);
      if (message === undefined) break;
      this.#nextMessageId = (messageId % MESSAGE_IDS) + 1;
      this.#unacknowledged.push({ messageId, ...message });
      packets.push(message.packet);
    }
    if (packets.length > 0) this.#socket?.write(Buffer.concat(packets));
  }

  #connect(): void {
    const parser = new AckParser({
      connack: (returnCode) => this.#connack(returnCode),
      puback: (messageId) => this.#puback(messageId),
    });
    const read = (bytes: number) => {
      parser.feed(READ_BUFFER, bytes);
      this.fill();
      return true;
    };
    const onread = { buffer: READ_BUFFER, callback: read };
    const socket = connect({ port: this.#options.port(), host: "127.0.0.1", noDelay: true, onread });
    const { id, token: password, version } = this.#options;
    const login = { id, password, version, keepAliveSeconds: KEEP_ALIVE_S };
    socket.once("connect", () => socket.write(encodeConnect(login)));
    socket.once("error", () => socket.destroy());
    socket.once("close", () => this.#closed());
    this.#socket = socket;
  }

  #closed(): void {
    if (this.#open) this.lostConnections += 1;
    this.#open = false;
    if (!this.#stopped) setTimeout(() => this.#stopped || this.#connect(), RECONNECT_MS);
  }

  #connack(returnCode: number): void {
    if (returnCode !== 0) {
      this.#socket?.destroy();
      return;
    }
    this.#open = true;
    for (const { packet } of this.#unacknowledged) packet[0] = (packet[0] ?? 0) | DUP;
    this.repeated += this.#unacknowledged.length;
    if (this.#unacknowledged.length > 0) {
      this.#socket?.write(Buffer.concat(this.#unacknowledged.map(({ packet }) => packet)));
    }
    this.#connected?.();
    this.#connected = undefined;
  }

  #puback(messageId: number): void {
    const index = this.#unacknowledged.findIndex((message) => message.messageId === messageId);
    const [message] = index < 0 ? [] : this.#unacknowledged.splice(index, 1);
    if (message === undefined) return;
    this.#options.acknowledged(message.n);
    if (this.#unacknowledged.length > 0) return;
    for (const resolve of this.#quiet.splice(0)) resolve();
  }
}
