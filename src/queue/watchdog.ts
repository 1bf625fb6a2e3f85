/**
 * Distinguishes a hanging worker from a waiting one: there is work, nothing completes, and there is no reason for it.
 * Jobs held by another gateway do not count, and while Redis is down nothing can complete.
 */
import { GatewayError } from "../model/errors.ts";

export interface WatchdogPorts {
  /** Batches that no gateway has taken yet; `undefined` while Redis does not answer. */
  readonly waitingJobs: () => number | undefined;
  /** Batches in progress here. */
  readonly heldJobs: () => number;
  /** True when there is a reason to wait: then silence is no stall. */
  readonly waitingOnPurpose: () => boolean;
  readonly stalled: (error: GatewayError) => void;
}

const SHORTEST_LOOK_MS = 500;

export class Watchdog {
  readonly #silenceMs: number;
  readonly #ports: WatchdogPorts;
  #timer: NodeJS.Timeout | undefined;
  #lastProgressAt = 0;

  /** `silenceMs`: with work and no completion for this long it is a stall. */
  constructor(silenceMs: number, ports: WatchdogPorts) {
    this.#silenceMs = silenceMs;
    this.#ports = ports;
  }

  start(): void {
    this.progressed();
    this.#timer = setInterval(() => this.#look(), Math.max(SHORTEST_LOOK_MS, this.#silenceMs / 10));
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  progressed(): void {
    this.#lastProgressAt = performance.now();
  }

  #look(): void {
    const waiting = this.#ports.waitingJobs();
    const idle = waiting === 0 && this.#ports.heldJobs() === 0;
    if (waiting === undefined || idle || this.#ports.waitingOnPurpose()) {
      this.progressed();
      return;
    }
    const silentMs = performance.now() - this.#lastProgressAt;
    if (silentMs > this.#silenceMs) {
      this.#ports.stalled(new GatewayError("PIPELINE_STALLED", `nothing completed for ${Math.round(silentMs)} ms`));
    }
  }
}
