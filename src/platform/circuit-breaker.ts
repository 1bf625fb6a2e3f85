/**
 * Stops asking a server that is down. After several failures in a row it stays open for a while, longer each time; then
 * one attempt decides, and the others wait for its result. It only says how long to wait; the caller waits and asks
 * again.
 */
export interface CircuitBreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** First pause; doubles with every failed attempt after it. Milliseconds. */
  readonly openMs: number;
  /** Longest pause without a Retry-After. Milliseconds. */
  readonly maxOpenMs: number;
}

export type CircuitState = "closed" | "open" | "half-open";

/** An attempt without a result after this time, because it failed for another reason, makes room for the next one. */
const DECIDES_WITHIN_MS = 2_000;
/** How long callers wait for a decision before they ask again. */
const DECISION_POLL_MS = 50;
/** A server may ask for a longer pause than ours (Retry-After), but not for a whole day. */
const MAX_RETRY_AFTER_MS = 10 * 60_000;

export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #monotonicMs: () => number;
  #failuresInRow = 0;
  #pauses = 0;
  #openUntilMs: number | undefined;
  /** While the deciding attempt is in progress. */
  #decidingUntilMs: number | undefined;

  /** `monotonicMs` must never go backwards: adjusting a wall clock would reopen or freeze the circuit. */
  constructor(options: CircuitBreakerOptions, monotonicMs: () => number = () => performance.now()) {
    this.#options = options;
    this.#monotonicMs = monotonicMs;
  }

  get state(): CircuitState {
    if (this.#openUntilMs === undefined) return "closed";
    return this.#openUntilMs > this.#monotonicMs() ? "open" : "half-open";
  }

  /** An attempt succeeded: closed, and the next pause is short again. */
  passed(): void {
    this.#failuresInRow = 0;
    this.#pauses = 0;
    this.#openUntilMs = undefined;
    this.#decidingUntilMs = undefined;
  }

  /** An attempt failed. `retryAfterMs` is the server's own request and opens the circuit at the first failure. */
  failed(retryAfterMs?: number): void {
    this.#failuresInRow += 1;
    const probeFailed = this.state === "half-open";
    const asked = retryAfterMs === undefined ? 0 : Math.min(Math.max(0, retryAfterMs), MAX_RETRY_AFTER_MS);
    let pauseMs = asked;
    if (probeFailed || (this.#openUntilMs === undefined && this.#failuresInRow >= this.#options.failures)) {
      pauseMs = Math.max(asked, Math.min(this.#options.openMs * 2 ** this.#pauses, this.#options.maxOpenMs));
      this.#pauses += 1;
    }
    // Late answers to attempts made before it opened may lengthen a pause, never shorten it.
    if (pauseMs > 0) this.#openUntilMs = Math.max(this.#openUntilMs ?? 0, this.#monotonicMs() + pauseMs);
    if (probeFailed) this.#decidingUntilMs = undefined;
  }

  /**
   * 0 when an attempt may be made now, else milliseconds after which to ask again. After a pause one caller gets 0 and
   * must call `passed` or `failed`; the others get 0 after that.
   */
  enter(): number {
    if (this.#openUntilMs === undefined) return 0;
    const nowMs = this.#monotonicMs();
    if (this.#openUntilMs > nowMs) return this.#openUntilMs - nowMs;
    if (this.#decidingUntilMs !== undefined && this.#decidingUntilMs > nowMs) return DECISION_POLL_MS;
    this.#decidingUntilMs = nowMs + DECIDES_WITHIN_MS;
    return 0;
  }
}
