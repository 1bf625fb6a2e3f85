/**
 * What was handed to the connections of services and has not left the process. A withdrawal may be answered
 * only after it has, so whoever forwarded keeps the lease until then. A connection that does not take it
 * before the lease ends is cut off: what waits for it goes with it, and nobody else waits longer.
 */
import type { ServiceSession } from "./session.ts";

/** Follows everything written before it, through any kind of stream, and adds nothing to what the peer reads. */
const MARK = Buffer.alloc(0);

export class Unsent {
  /** Since the last mark. */
  readonly #touched = new Set<ServiceSession>();
  /** When the marks were set that have not left, oldest first; ms of the monotonic clock. */
  readonly #marks = new Map<ServiceSession, number[]>();
  readonly #cutOff: () => void;

  constructor(cutOff: () => void) {
    this.#cutOff = cutOff;
  }

  written(session: ServiceSession): void {
    this.#touched.add(session);
  }

  /** For how long the oldest of it has been waiting; 0 when nothing is. */
  waitingMs(session: ServiceSession): number {
    const oldest = this.#marks.get(session)?.[0];
    return oldest === undefined ? 0 : performance.now() - oldest;
  }

  /** `undefined` when nothing was written since the last call; else resolves once that has left. Never rejects. */
  left(signal: AbortSignal): Promise<void> | undefined {
    if (this.#touched.size === 0) return undefined;
    const sessions = [...this.#touched];
    this.#touched.clear();
    return Promise.all(sessions.map((session) => this.#left(session, signal))).then(() => undefined);
  }

  #left(session: ServiceSession, signal: AbortSignal): Promise<void> {
    const { conn } = session.client;
    if (conn.destroyed) return Promise.resolve();
    this.#marks.set(session, [...(this.#marks.get(session) ?? []), performance.now()]);
    return new Promise((resolve) => {
      let done = false;
      const finish = (): void => {
        if (done) return;
        done = true;
        signal.removeEventListener("abort", cut);
        this.#passed(session);
        resolve();
      };
      const cut = (): void => {
        this.#cutOff();
        conn.destroy();
        finish();
      };
      if (signal.aborted) return cut();
      signal.addEventListener("abort", cut, { once: true });
      // Called with an error when the connection is gone; that is as good.
      conn.write(MARK, finish);
    });
  }

  /** Marks leave in the order in which they were set. */
  #passed(session: ServiceSession): void {
    const [, ...rest] = this.#marks.get(session) ?? [];
    if (rest.length === 0) this.#marks.delete(session);
    else this.#marks.set(session, rest);
  }
}
