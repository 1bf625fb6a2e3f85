/** Every message of a run by its number: who sent it, in which phase, when, and whether it was acknowledged. */

const ACKNOWLEDGED = 1;
const CONFIRMED = 2;

export class SentMessages {
  readonly #device: Uint16Array;
  readonly #phase: Uint8Array;
  readonly #flags: Uint8Array;
  readonly #sentAt: Float64Array;
  readonly #limit: number;
  #count = 0;
  #acknowledged = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#device = new Uint16Array(limit);
    this.#phase = new Uint8Array(limit);
    this.#flags = new Uint8Array(limit);
    this.#sentAt = new Float64Array(limit);
  }

  get limit(): number {
    return this.#limit;
  }

  get count(): number {
    return this.#count;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged;
  }

  /** Number of the new message. `confirmed`: the gateway had answered the consent that covers it. */
  add(device: number, phase: number, confirmed: boolean): number {
    const n = this.#count++;
    this.#device[n] = device;
    this.#phase[n] = phase;
    this.#flags[n] = confirmed ? CONFIRMED : 0;
    this.#sentAt[n] = performance.now();
    return n;
  }

  acknowledged(n: number): void {
    this.#flags[n] = (this.#flags[n] ?? 0) | ACKNOWLEDGED;
    this.#acknowledged += 1;
  }

  has(n: number): boolean {
    return Number.isInteger(n) && n >= 0 && n < this.#count;
  }

  deviceOf(n: number): number {
    return this.#device[n] ?? 0;
  }

  phaseOf(n: number): number {
    return this.#phase[n] ?? 0;
  }

  /** `performance.now()` when it was sent first. */
  sentAt(n: number): number {
    return this.#sentAt[n] ?? 0;
  }

  /** Acknowledged, and sent when its consent had been answered: the gateway owes it. */
  isOwed(n: number): boolean {
    return this.#flags[n] === (ACKNOWLEDGED | CONFIRMED);
  }
}
