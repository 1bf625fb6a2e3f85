/**
 * Back-pressure: how many messages may be under way, for one connection and in all. Over a bound
 * the socket is not read until half of it is free again; nothing is dropped.
 */
import { internals } from "./aedes-internals.ts";
import type { DeviceSession } from "./session.ts";

export interface FlowLimits {
  readonly inFlightPerConnection: number;
  readonly inFlightMessages: number;
  readonly inFlightBytes: number;
}

export class Flow {
  readonly #limits: FlowLimits;
  readonly #paused = new Set<DeviceSession>();
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

  arrived(session: DeviceSession, bytes: number): void {
    session.inFlight += 1;
    this.#messages += 1;
    this.#bytes += bytes;
    if (!session.paused && (session.inFlight >= this.#limits.inFlightPerConnection || this.#full(1))) {
      session.paused = true;
      this.#paused.add(session);
      internals(session.client).pause();
    }
  }

  settled(session: DeviceSession, bytes: number): void {
    session.inFlight -= 1;
    this.#messages -= 1;
    this.#bytes -= bytes;
  }

  /** From here on nobody is read again. */
  stop(): void {
    this.#stopped = true;
  }

  /** Called once after each settled batch rather than for each message. */
  release(): void {
    if (this.#stopped || this.#paused.size === 0 || this.#full(0.5)) return;
    for (const session of this.#paused) {
      if (session.inFlight <= this.#limits.inFlightPerConnection / 2) this.#resume(session);
      if (this.#full(1)) return;
    }
  }

  closed(session: DeviceSession): void {
    this.#paused.delete(session);
  }

  #full(share: number): boolean {
    return this.#messages >= this.#limits.inFlightMessages * share || this.#bytes >= this.#limits.inFlightBytes * share;
  }

  #resume(session: DeviceSession): void {
    this.#paused.delete(session);
    session.paused = false;
    internals(session.client).resume();
  }
}
