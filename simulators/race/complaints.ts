/** Violations by kind, with how often each happened. Says when and what, and never whose. */

export type ViolationKind = "stored" | "forwarded" | "not erased" | "stray row" | "stray packet";

export interface Violation {
  readonly kind: ViolationKind;
  /** Purpose and category. */
  readonly what: string;
  /** Phases of the device between the message and the one that ended its use; 0: never consented to. */
  readonly phasesApart: number | undefined;
  readonly count: number;
  /** Of packets: how long after the end of its use the latest arrived. */
  readonly latestMs?: number;
}

export class Complaints {
  readonly #violations = new Map<string, Violation>();

  /** `phasesApart` as in {@link Violation}; `lateMs` as far as it is known. */
  add(kind: ViolationKind, what: string, phasesApart?: number, lateMs?: number): void {
    const key = `${kind} ${what} ${phasesApart}`;
    const before = this.#violations.get(key);
    const latestMs = lateMs === undefined ? before?.latestMs : Math.max(before?.latestMs ?? 0, Math.round(lateMs));
    const count = (before?.count ?? 0) + 1;
    this.#violations.set(key, { kind, what, phasesApart, count, ...(latestMs !== undefined && { latestMs }) });
  }

  count(kind: ViolationKind): number {
    return this.list().reduce((sum, violation) => sum + (violation.kind === kind ? violation.count : 0), 0);
  }

  list(): Violation[] {
    return [...this.#violations.values()];
  }
}
