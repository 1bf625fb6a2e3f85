/**
 * Runs that tell what is current, one purpose each. After a fault a run begins again, for as long as a service waits for it: while
 * Redis is away nothing is sent, and what is sent afterwards is what is current and consented to then.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Delivery } from "../model/delivery.ts";
import type { Log } from "../model/log.ts";
import type { ServicePurpose } from "../model/purposes.ts";
import { faultCode } from "../platform/fault-code.ts";

export interface RunPorts {
  /** Of each purpose: rejects when it could not be told to its end. */
  readonly tellers: Readonly<Record<ServicePurpose, { tell(stop: AbortSignal): Promise<void> }>>;
  /** Whether there is still a service to be told. */
  readonly deliveries: Readonly<Record<ServicePurpose, Pick<Delivery<never>, "listening">>>;
  readonly log: Log;
}

const AGAIN_MS = 5_000;

export class CurrentRuns {
  readonly #ports: RunPorts;
  readonly #againMs: number;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(ports: RunPorts, againMs = AGAIN_MS) {
    this.#ports = ports;
    this.#againMs = againMs;
  }

  /** Resolves when it was told, when no one waits for it any more, or when the gateway stops. Never rejects. */
  tell(purpose: ServicePurpose): Promise<void> {
    const running = this.#run(purpose).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  async #run(purpose: ServicePurpose): Promise<void> {
    while (this.#goesOn(purpose)) {
      try {
        return await this.#ports.tellers[purpose].tell(this.#stopping.signal);
      } catch (error) {
        if (!this.#goesOn(purpose)) return;
        this.#ports.log.warn("what is current was not told to its end, will be retried", {
          code: faultCode(error),
          purpose,
        });
      }
      await delay(this.#againMs, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => undefined);
    }
  }

  #goesOn(purpose: ServicePurpose): boolean {
    return !this.#stopping.signal.aborted && this.#ports.deliveries[purpose].listening();
  }
}
