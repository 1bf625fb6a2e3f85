/** What became of what each dialect read, since the gateway started: of as many dialects as there can be, and no device. */
export const DIALECT_COUNTS = ["taken", "refused", "ignored", "dropped"] as const;
export type DialectCount = (typeof DIALECT_COUNTS)[number];

/** The operator's own can be exchanged while the gateway runs; of those beyond it nothing is counted. */
const MOST = 1_000;

export class DialectCounts {
  readonly #byName = new Map<string, Record<DialectCount, number>>();

  add(dialect: string, what: DialectCount): void {
    const known = this.#byName.get(dialect);
    if (known !== undefined) known[what] += 1;
    else if (this.#byName.size < MOST)
      this.#byName.set(dialect, { taken: 0, refused: 0, ignored: 0, dropped: 0, [what]: 1 });
  }

  all(): ReadonlyMap<string, Readonly<Record<DialectCount, number>>> {
    return this.#byName;
  }
}
