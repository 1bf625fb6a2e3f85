/** Limits concurrent exports: one per subject and few in total, so that reading never displaces writing. */
import type { SubjectTag } from "../../model/ids.ts";

export class ExportTurns {
  readonly #most: number;
  readonly #taken = new Set<SubjectTag>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Returns the function that frees the slot, callable more than once; `undefined` when no slot is free. */
  take(tag: SubjectTag): (() => void) | undefined {
    if (this.#taken.has(tag) || this.#taken.size >= this.#most) return undefined;
    this.#taken.add(tag);
    let given = false;
    return () => {
      if (!given) this.#taken.delete(tag);
      given = true;
    };
  }
}
