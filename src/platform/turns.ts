/**
 * Puts the last step of work that runs side by side back into the order in which it began.
 *
 *   const turn = turns.enter();  …work in parallel…  await turn.mine;  …in order…  turn.leave();
 *
 * Every turn must be left, whatever happens, or nobody behind it ever gets theirs.
 */
export interface Turn {
  /** Resolves when everyone who entered before has left. */
  readonly mine: Promise<void>;
  leave(): void;
}

export class Turns {
  #last: Promise<void> = Promise.resolve();

  enter(): Turn {
    const mine = this.#last;
    let left: () => void = () => undefined;
    const leaving = new Promise<void>((resolve) => {
      left = resolve;
    });
    this.#last = mine.then(() => leaving);
    return { mine, leave: () => left() };
  }
}
