/**
 * Waits and retries. A temporary failure (the store or Redis is down, the master key unwraps nothing) is retried until
 * it succeeds, paced by the circuit breaker; each change of state is logged, not each attempt.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import type { CircuitBreaker } from "../platform/circuit-breaker.ts";

export interface PatiencePorts {
  readonly breaker: Pick<CircuitBreaker, "enter" | "failed">;
  readonly log: Log;
}

const RETRY_MS = 250;
const SINK_FAULTS: ReadonlySet<string> = new Set(["SINK_UNAVAILABLE", "SINK_DENIED"]);

export class Patience {
  readonly #ports: PatiencePorts;
  #waiting = 0;
  /** The cause of waiting that was logged last. */
  #told: string | undefined;

  constructor(ports: PatiencePorts) {
    this.#ports = ports;
  }

  /** True while any batch waits. */
  get waiting(): boolean {
    return this.#waiting > 0;
  }

  /** Retries until it succeeds. Rejects when `stop` fires while it waits, and with errors that cannot be retried. */
  async until<T>(count: number, stop: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      stop.throwIfAborted();
      try {
        const result = await attempt();
        this.#tell(undefined, count);
        return result;
      } catch (error) {
        if (!(error instanceof GatewayError) || !(error.retryable || isUnreadableKey(error))) throw error;
        this.#tell(error, count);
        if (SINK_FAULTS.has(error.code)) this.#ports.breaker.failed(error.retryAfterMs);
        else await this.pause(error.retryAfterMs ?? RETRY_MS, stop);
      }
    }
  }

  /** Resolves when the store may be asked. Rejects when `stop` fires. */
  async mayAsk(stop: AbortSignal): Promise<void> {
    stop.throwIfAborted();
    for (let ms = this.#ports.breaker.enter(); ms > 0; ms = this.#ports.breaker.enter()) await this.pause(ms, stop);
  }

  /** Rejects when `stop` fires. */
  async pause(ms: number, stop: AbortSignal): Promise<void> {
    stop.throwIfAborted();
    if (ms <= 0) return;
    this.#waiting += 1;
    try {
      await sleep(ms, undefined, { signal: stop });
    } finally {
      this.#waiting -= 1;
    }
  }

  /** An outage of hours is one line, and a fault that an operator must fix is logged as an error. */
  #tell(error: GatewayError | undefined, count: number): void {
    const { log } = this.#ports;
    if (error?.code === this.#told) return;
    this.#told = error?.code;
    if (error === undefined) log.info("batches are processed again", { count });
    else if (error.code === "SINK_DENIED")
      log.error("store rejected the credentials, batches wait", { code: error.code, count, stage: "pipeline" });
    else if (isUnreadableKey(error))
      log.error("master key unwraps no subject key, batches wait", { code: error.code, count, stage: "pipeline" });
    else log.warn("batch waiting, will be retried", { code: error.code, count, stage: "pipeline" });
  }
}

export function isUnreadableKey(error: unknown): boolean {
  return error instanceof GatewayError && error.code === "SUBJECT_KEY_UNREADABLE";
}
