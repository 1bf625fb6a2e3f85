/**
 * One device of the loader: a socket with a window of unacknowledged messages. Messages go out in
 * bursts of at least half a window, acknowledgements are matched to their sending times.
 */
import { connect, type Socket } from "node:net";
import { AckParser, encodeConnect, type Version } from "../tools/wire/mqtt-wire.ts";
import type { LatencyHistogram } from "./latency-histogram.ts";
import { messageIdOf, type PublishRing } from "./publish-ring.ts";

/** Node hands each read to its callback at once, so one buffer serves every socket of the process. */
const READ_BUFFER = Buffer.allocUnsafe(64 * 1024);
const CONNECT_DEADLINE_MS = 30_000;

export interface LoadConnectionOptions {
  readonly port: number;
  readonly id: string;
  readonly password: string;
  readonly keepAliveSeconds: number;
  readonly version: Version;
  /** Absent on a connection that stays idle. */
  readonly ring: PublishRing | undefined;
  readonly latency: LatencyHistogram;
  /** Called after acknowledgements freed a part of the window. */
  freed(connection: LoadConnection): void;
  lost(connection: LoadConnection): void;
}

export class LoadConnection {
  sent = 0;
  acked = 0;
  /** Acknowledgements that did not come in the order of the messages. */
  outOfOrder = 0;
  readonly #options: LoadConnectionOptions;
  readonly #sentAtMs: Float64Array;
  readonly #parser: AckParser;
  #socket: Socket | undefined;
  #connected: ((returnCode: number) => void) | undefined;
  #nowMs = 0;
  #run = 0;
  #runSentAtMs = 0;

  constructor(options: LoadConnectionOptions) {
    this.#options = options;
    this.#sentAtMs = new Float64Array(options.ring?.slots ?? 0);
    this.#parser = new AckParser({
      connack: (returnCode) => this.#connected?.(returnCode),
      puback: (messageId) => this.#puback(messageId),
    });
  }

  get outstanding(): number {
    return this.sent - this.acked;
  }

  get free(): number {
    return this.#sentAtMs.length - this.outstanding;
  }

  /** Resolves with the CONNACK; rejects on a refusal, an error or after 30 s. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error("no CONNACK in time")), CONNECT_DEADLINE_MS);
      this.#connected = (returnCode) => {
        clearTimeout(deadline);
        this.#connected = undefined;
        if (returnCode === 0) resolve();
        else reject(new Error(`CONNACK return code ${returnCode}`));
      };
      const read = { buffer: READ_BUFFER, callback: (bytes: number) => this.#read(bytes) };
      const socket = connect({ port: this.#options.port, host: "127.0.0.1", noDelay: true, onread: read });
      socket.once("connect", () => socket.write(encodeConnect(this.#options)));
      socket.once("error", () => socket.destroy());
      socket.once("close", () => {
        clearTimeout(deadline);
        reject(new Error("the broker closed the connection"));
        this.#options.lost(this);
      });
      this.#socket = socket;
    });
  }

  /** Sends `count` messages in as few writes as the ring allows; `count` must not exceed `free`. */
  send(count: number, sentAtMs: number): void {
    const { ring } = this.#options;
    if (ring === undefined || this.#socket === undefined) return;
    let left = count;
    while (left > 0) {
      const { bytes, taken } = ring.take(this.sent, left);
      const slot = this.sent % ring.slots;
      this.#sentAtMs.fill(sentAtMs, slot, slot + taken);
      this.sent += taken;
      left -= taken;
      this.#socket.write(bytes);
    }
  }

  #read(bytes: number): boolean {
    this.#nowMs = performance.now();
    const before = this.acked;
    this.#parser.feed(READ_BUFFER, bytes);
    this.#recordRun();
    if (this.acked !== before) this.#options.freed(this);
    return true;
  }

  #puback(messageId: number): void {
    // A reordered acknowledgement is counted and takes the oldest place: percentiles stay nearly right, the count exact.
    if (messageId !== messageIdOf(this.acked)) this.outOfOrder += 1;
    const sentAtMs = this.#sentAtMs[this.acked % this.#sentAtMs.length] ?? 0;
    if (sentAtMs !== this.#runSentAtMs) {
      this.#recordRun();
      this.#runSentAtMs = sentAtMs;
    }
    this.#run += 1;
    this.acked += 1;
  }

  /** Messages of one burst that are acknowledged in one read share a duration: recorded together. */
  #recordRun(): void {
    if (this.#run > 0) this.#options.latency.record((this.#nowMs - this.#runSentAtMs) * 1000, this.#run);
    this.#run = 0;
  }
}
