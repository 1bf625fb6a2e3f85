/**
 * Changes of one subject's ledger, one after the other: whoever writes at the same time as another writer of this
 * gateway waits instead of losing to it. Other gateways are still met as before, by comparing what stood there.
 */
import { GatewayError } from "../../model/errors.ts";
import type { SubjectTag } from "../../model/ids.ts";

/** Above what all HTTP connections can ask for at a time; more than that is no home but a mistake. */
const MAX_WAITING = 1_024;
/** Below the time after which a request is answered whatever has become of it. */
const MAX_WAIT_MS = 30_000;

interface Line {
  last: Promise<unknown>;
  length: number;
}

export class SubjectTurns {
  readonly #lines = new Map<SubjectTag, Line>();

  /** Runs `work` when everyone who came before for this subject is done. Throws `CONSENT_CONFLICT` when that takes too long. */
  async take<T>(tag: SubjectTag, what: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(tag) ?? { last: Promise.resolve(), length: 0 };
    if (line.length >= MAX_WAITING) throw new GatewayError("CONSENT_CONFLICT", what);
    this.#lines.set(tag, line);
    line.length += 1;
    const until = performance.now() + MAX_WAIT_MS;
    const mine = line.last.then(() => {
      // Whoever waited has given up by now, and must not be answered by a change it no longer expects.
      if (performance.now() > until) throw new GatewayError("CONSENT_CONFLICT", what);
      return work();
    });
    line.last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      line.length -= 1;
      if (line.length === 0) this.#lines.delete(tag);
    }
  }
}
