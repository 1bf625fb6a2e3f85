/**
 * The packets in transit to one connection of a service. A withdrawal may be answered only after they have left the
 * process, so the one that forwarded keeps the lease until then. A connection that does not take them before the lease
 * ends is cut off: what waits for it goes with it, and no one else waits longer.
 */
import type { PacketStream } from "./connection.ts";

export interface OutboxOptions {
  /** Unsent bytes after which a connection misses packets. */
  readonly maxUnsentBytes: number;
  /** After this long without taking what it was handed it misses packets, so that it can catch up. */
  readonly maxUnsentMs: number;
}

/** Gathered before it is written: few writes for many packets, and the kernel can begin to take them meanwhile. */
const PORTION_BYTES = 256 * 1024;

export class Outbox {
  readonly #client: PacketStream;
  readonly #options: OutboxOptions;
  readonly #cutOff: () => void;
  #packets: Buffer[] = [];
  #bytes = 0;
  /** When the marks were set that have not left, oldest first; ms of the monotonic clock. */
  readonly #marks: number[] = [];

  /** `cutOff` is called when the connection is ended because it did not take what it was handed. */
  constructor(client: PacketStream, options: OutboxOptions, cutOff: () => void) {
    this.#client = client;
    this.#options = options;
    this.#cutOff = cutOff;
  }

  /** Whole packets only, for a connection that is past its CONNACK. False when it misses this one. */
  add(packet: Buffer): boolean {
    const { conn, closed } = this.#client;
    if (closed || !conn.writable || this.waitingMs > this.#options.maxUnsentMs) return false;
    if (conn.writableLength + this.#bytes + packet.length > this.#options.maxUnsentBytes) return false;
    this.#packets.push(packet);
    this.#bytes += packet.length;
    if (this.#bytes >= PORTION_BYTES) conn.write(this.#taken());
    return true;
  }

  /** The connection is at its end: what was not written yet goes to no one. */
  discard(): void {
    this.#taken();
  }

  /** For how long the oldest of what has not left has been waiting; 0 when nothing is. */
  get waitingMs(): number {
    const [oldest] = this.#marks;
    return oldest === undefined ? 0 : performance.now() - oldest;
  }

  /** Handed over, and not taken by the peer yet. */
  get waitingBytes(): number {
    return this.#bytes + this.#client.conn.writableLength;
  }

  /** Writes what was added and resolves once it has left, or was thrown away when the signal fired. Never rejects. */
  left(signal: AbortSignal): Promise<void> {
    const { conn } = this.#client;
    const bytes = this.#taken();
    if (conn.destroyed) return Promise.resolve();
    this.#marks.push(performance.now());
    return new Promise((resolve) => {
      let done = false;
      const finish = (): void => {
        if (done) return;
        done = true;
        signal.removeEventListener("abort", cut);
        // They leave in the order in which they were set.
        this.#marks.shift();
        resolve();
      };
      const cut = (): void => {
        this.#cutOff();
        conn.destroy();
        finish();
      };
      if (signal.aborted) return cut();
      signal.addEventListener("abort", cut, { once: true });
      // The callback is the mark: it follows everything written before, through any kind of stream, even when there is
      // nothing more to write. It comes with an error when the connection is gone; that is as good.
      conn.write(bytes, finish);
    });
  }

  #taken(): Buffer {
    const bytes = Buffer.concat(this.#packets, this.#bytes);
    this.#packets = [];
    this.#bytes = 0;
    return bytes;
  }
}
