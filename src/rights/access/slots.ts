/** How many exports may be under way: one for each subject, and few in all, so that reading never crowds out writing. */
import type { SubjectTag } from "../../model/ids.ts";

export class ExportTurns {
  readonly #most: number;
  readonly #taken = new Set<SubjectTag>();

  constructor(most: number) {
    this.#most = most;
  }

  /** What gives the place back, once or often; `undefined` when there is none. */
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
