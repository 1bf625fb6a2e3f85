/**
 * Stops asking a server that is down. After a few failures in a row it stays open for a while, longer
 * each time; then one attempt decides. It only says how long to wait: whoever asks does the waiting.
 */
export interface CircuitBreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** First pause; doubles with every failed attempt after it. Milliseconds. */
  readonly openMs: number;
  /** Longest pause of its own accord. Milliseconds. */
  readonly maxOpenMs: number;
}

export type CircuitState = "closed" | "open" | "half-open";

/** A server may ask for a longer pause than ours, but not take us out for the day. */
const MAX_RETRY_AFTER_MS = 10 * 60_000;

export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #monotonicMs: () => number;
  #failuresInRow = 0;
  #pauses = 0;
  #openUntilMs: number | undefined;

  /** `monotonicMs` must never go backwards; a wall clock would reopen or freeze the circuit when it is set. */
  constructor(options: CircuitBreakerOptions, monotonicMs: () => number = () => performance.now()) {
    this.#options = options;
    this.#monotonicMs = monotonicMs;
  }

  get state(): CircuitState {
    if (this.#openUntilMs === undefined) return "closed";
    return this.waitMs() > 0 ? "open" : "half-open";
  }

  /** An attempt got through: closed, and the next pause starts short again. */
  passed(): void {
    this.#failuresInRow = 0;
    this.#pauses = 0;
    this.#openUntilMs = undefined;
  }

  /** An attempt failed. `retryAfterMs` is the server's own wish and opens the circuit at the first failure. */
  failed(retryAfterMs?: number): void {
    this.#failuresInRow += 1;
    const probeFailed = this.state === "half-open";
    const asked = retryAfterMs === undefined ? 0 : Math.min(Math.max(0, retryAfterMs), MAX_RETRY_AFTER_MS);
    let pauseMs = asked;
    if (probeFailed || (this.#openUntilMs === undefined && this.#failuresInRow >= this.#options.failures)) {
      pauseMs = Math.max(asked, Math.min(this.#options.openMs * 2 ** this.#pauses, this.#options.maxOpenMs));
      this.#pauses += 1;
    }
    // Late answers of attempts made before it opened may lengthen a pause, never shorten it.
    if (pauseMs > 0) this.#openUntilMs = Math.max(this.#openUntilMs ?? 0, this.#monotonicMs() + pauseMs);
  }

  /** Milliseconds until the next attempt may be made; 0 when it may be made now. */
  waitMs(): number {
    return this.#openUntilMs === undefined ? 0 : Math.max(0, this.#openUntilMs - this.#monotonicMs());
  }
}
