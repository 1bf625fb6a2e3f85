/** Names end with their epoch, counted from 1970-01-01 UTC; what a service knows under them goes at the same moment. */
const DAY_MS = 86_400_000;

export class Epoch {
  readonly #lengthMs: number;
  #number: number | undefined;

  constructor(days: number) {
    this.#lengthMs = days * DAY_MS;
  }

  /** Whether another epoch has begun since this was asked last. */
  hasChanged(nowMs: number): boolean {
    const number = Math.floor(nowMs / this.#lengthMs);
    const before = this.#number;
    this.#number = number;
    return before !== undefined && before !== number;
  }
}
