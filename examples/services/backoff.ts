/** Twice as long after every failure, up to `longestMs`, and never the same for all services after an outage of the gateway. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #nextMs: number;

  constructor(longestMs: number, firstMs = 1_000) {
    this.#longestMs = longestMs;
    this.#firstMs = Math.min(firstMs, longestMs);
    this.#nextMs = this.#firstMs;
  }

  reset(): void {
    this.#nextMs = this.#firstMs;
  }

  /** Waiting does not repair it: as rarely as may be. */
  slow(): void {
    this.#nextMs = this.#longestMs;
  }

  next(): number {
    const chosen = (this.#nextMs / 2) * (1 + Math.random());
    this.#nextMs = Math.min(this.#nextMs * 2, this.#longestMs);
    return chosen;
  }
}
