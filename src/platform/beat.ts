/**
 * Calls at the next beat, or at once when it is asked to. Beats stand at fixed times, so how long one waits for them says nothing of
 * what else was done; between two of them what is called for is called once.
 */
export class Beat {
  readonly #everyMs: number;
  readonly #act: () => void;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  /** `everyMs` of 0: always at once. */
  constructor(everyMs: number, act: () => void) {
    this.#everyMs = everyMs;
    this.#act = act;
  }

  /** At once is after the poll phase, so that everything the sockets delivered in this turn of the event loop is there. */
  call(atOnce: boolean): void {
    if (this.#immediate !== undefined) return;
    const everyMs = this.#everyMs;
    if (atOnce || everyMs === 0) {
      clearTimeout(this.#timer);
      this.#immediate = setImmediate(() => this.#now());
    } else this.#timer ??= setTimeout(() => this.#now(), untilBeat(everyMs, performance.now()));
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }

  #now(): void {
    this.#timer = undefined;
    this.#immediate = undefined;
    this.#act();
  }
}

/** In whole ms, for a timer that is set to less comes before the beat, and what comes in between would get one of its own. */
export function untilBeat(everyMs: number, now: number): number {
  return Math.ceil(everyMs - (now % everyMs));
}
