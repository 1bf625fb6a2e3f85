/**
 * Gives memory back when a load is over. V8 collects its old objects when more are allocated; a gateway at rest allocates next to
 * nothing, and would keep for days what was garbage when the load ended.
 */
export interface RestPorts {
  /** Grows with each message that comes. */
  readonly received: () => number;
  readonly heapUsedBytes: () => number;
  /** Collects all that is garbage; a pause of some tens of ms, in which nothing else happens. */
  readonly collect: () => void;
}

/** A gateway that has just started uses about half of it. */
const WORTH_IT_BYTES = 96 * 1_048_576;

export class RestCollection {
  readonly #ports: RestPorts;
  #received = 0;
  /** What came since the last collection is worth looking at. */
  #due = false;

  constructor(ports: RestPorts) {
    this.#ports = ports;
  }

  /** To be called every few seconds: collects once after each load, when nothing has come between two calls. */
  look(): void {
    const received = this.#ports.received();
    if (received !== this.#received) {
      this.#received = received;
      this.#due = true;
      return;
    }
    if (!this.#due) return;
    this.#due = false;
    if (this.#ports.heapUsedBytes() > WORTH_IT_BYTES) this.#ports.collect();
  }
}
