/**
 * Back-pressure: how many messages may be in flight, for one connection and in all. Over a bound
 * it is not read until half of it is free again; nothing is dropped.
 */
import type { Connection } from "./publisher.ts";

export interface FlowLimits {
  readonly inFlightPerConnection: number;
  readonly inFlightMessages: number;
  readonly inFlightBytes: number;
}

export class Flow {
  readonly #limits: FlowLimits;
  readonly #paused = new Set<Connection>();
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

  arrived(connection: Connection, bytes: number): void {
    connection.inFlight += 1;
    this.#messages += 1;
    this.#bytes += bytes;
    if (!connection.paused && (connection.inFlight >= this.#limits.inFlightPerConnection || this.#full(1))) {
      connection.paused = true;
      this.#paused.add(connection);
      connection.reading.pause();
    }
  }

  finished(connection: Connection, bytes: number): void {
    connection.inFlight -= 1;
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
    for (const connection of this.#paused) {
      if (connection.inFlight <= this.#limits.inFlightPerConnection / 2) this.#resume(connection);
      if (this.#full(1)) return;
    }
  }

  /** Its connection is closed: there is nothing to resume. */
  gone(connection: Connection): void {
    this.#paused.delete(connection);
  }

  #full(share: number): boolean {
    return this.#messages >= this.#limits.inFlightMessages * share || this.#bytes >= this.#limits.inFlightBytes * share;
  }

  #resume(connection: Connection): void {
    this.#paused.delete(connection);
    connection.paused = false;
    connection.reading.resume();
  }
}
