/**
 * Puts the last step of parallel work back into the order in which the work began.
 *
 *   const turn = turns.enter();  …work in parallel…  await turn.mine;  …in order…  turn.leave();
 *
 * Every turn must be left in any case, or all later turns wait forever.
 */
export interface Turn {
  /** Resolves when all earlier turns have left. */
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
