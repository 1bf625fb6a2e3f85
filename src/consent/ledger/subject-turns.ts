/**
 * Runs changes of one subject's ledger one after the other: a concurrent writer in this gateway waits instead of
 * losing. Conflicts with other gateways are still found by comparing what was read.
 */
import { GatewayError } from "../../model/errors.ts";
import type { SubjectTag } from "../../model/ids.ts";

/** More than all HTTP connections can request at a time; no household needs more. */
const MAX_WAITING = 1_024;
/** Shorter than the time after which every request is answered, whatever its state. */
const MAX_WAIT_MS = 30_000;

interface Line {
  last: Promise<unknown>;
  length: number;
}

export class SubjectTurns {
  readonly #lines = new Map<SubjectTag, Line>();

  /** Runs `work` after all earlier callers for this subject. Throws `CONSENT_CONFLICT` when that takes too long. */
  async take<T>(tag: SubjectTag, what: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(tag) ?? { last: Promise.resolve(), length: 0 };
    if (line.length >= MAX_WAITING) throw new GatewayError("CONSENT_CONFLICT", what);
    this.#lines.set(tag, line);
    line.length += 1;
    const until = performance.now() + MAX_WAIT_MS;
    const mine = line.last.then(() => {
      // The caller has given up by now and must not be surprised by a change it no longer expects.
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
