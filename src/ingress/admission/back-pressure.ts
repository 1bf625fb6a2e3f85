/**
 * Back-pressure: how many messages may be in flight, for one publisher and in all. Over a bound
 * its connection is not read until half of it is free again; nothing is dropped.
 */
import type { Publisher } from "./publisher.ts";

export interface FlowLimits {
  readonly inFlightPerConnection: number;
  readonly inFlightMessages: number;
  readonly inFlightBytes: number;
}

export class Flow {
  readonly #limits: FlowLimits;
  readonly #paused = new Set<Publisher>();
  #stopped = false;
  #messages = 0;
  #bytes = 0;

  constructor(limits: FlowLimits) {
    this.#limits = limits;
  }

  get pausedConnections(): number {
    return this.#paused.size;
  }

  get messages(): number {
    return this.#messages;
  }

  arrived(publisher: Publisher, bytes: number): void {
    publisher.inFlight += 1;
    this.#messages += 1;
    this.#bytes += bytes;
    if (!publisher.paused && (publisher.inFlight >= this.#limits.inFlightPerConnection || this.#full(1))) {
      publisher.paused = true;
      this.#paused.add(publisher);
      publisher.connection.pause();
    }
  }

  finished(publisher: Publisher, bytes: number): void {
    publisher.inFlight -= 1;
    this.#messages -= 1;
    this.#bytes -= bytes;
  }

  /** From here on no connection is read again. */
  stop(): void {
    this.#stopped = true;
  }

  /** Called once after each finished batch rather than for each message. */
  release(): void {
    if (this.#stopped || this.#paused.size === 0 || this.#full(0.5)) return;
    for (const publisher of this.#paused) {
      if (publisher.inFlight <= this.#limits.inFlightPerConnection / 2) this.#resume(publisher);
      if (this.#full(1)) return;
    }
  }

  /** Its connection is closed: there is nothing to resume. */
  gone(publisher: Publisher): void {
    this.#paused.delete(publisher);
  }

  #full(share: number): boolean {
    return this.#messages >= this.#limits.inFlightMessages * share || this.#bytes >= this.#limits.inFlightBytes * share;
  }

  #resume(publisher: Publisher): void {
    this.#paused.delete(publisher);
    publisher.paused = false;
    publisher.connection.resume();
  }
}
