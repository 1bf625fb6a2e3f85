/** Sets gauges before a scrape: cheap ones each time, costly ones once a second at most, and none may hold a scrape up. */

/** A scrape waits this long for the costly ones; after that the gauges keep their values. */
const DEADLINE_MS = 1_000;
const FRESH_MS = 1_000;

export class Refreshes {
  readonly #cheap: (() => void)[] = [];
  readonly #costly: (() => Promise<void>)[] = [];
  #last: { readonly at: number; readonly done: Promise<void> } | undefined;

  add(refresh: () => void): void {
    this.#cheap.push(refresh);
  }

  /** For what reads files or asks Redis. */
  addCostly(refresh: () => Promise<void>): void {
    this.#costly.push(refresh);
  }

  /** Never rejects: a gauge whose refresh fails keeps its last value, and the fault is reported elsewhere. `now`: monotonic ms. */
  async run(now = performance.now()): Promise<void> {
    for (const refresh of this.#cheap) {
      try {
        refresh();
      } catch {
        // As above.
      }
    }
    if (this.#last === undefined || now - this.#last.at >= FRESH_MS)
      this.#last = { at: now, done: withinDeadline(this.#costly) };
    await this.#last.done;
  }
}

async function withinDeadline(refreshes: readonly (() => Promise<void>)[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DEADLINE_MS);
  });
  const all = Promise.allSettled(refreshes.map(async (refresh) => refresh())).then(() => undefined);
  await Promise.race([all, deadline]);
  clearTimeout(timer);
}
