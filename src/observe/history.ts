/** The last hour of a gateway in figures, in memory: a ring of columns that never grows. */
import { SAMPLED, type Sampled } from "../model/console.ts";
import { OPEN_REFUSALS, type OpenRefusal, openRefused } from "../model/outcome.ts";
import type { BooksSnapshot } from "./books.ts";
import type { Distribution } from "./distribution.ts";

/** A gateway at one moment: counters since its start, and what is so just then. */
export interface Reading {
  /** Unix ms, and ms that never go back. */
  readonly at: number;
  readonly elapsed: number;
  readonly books: BooksSnapshot;
  readonly forwarded: number;
  readonly puback: Pick<Distribution, "bounds" | "buckets">;
  readonly now: Pick<Record<Sampled, number>, OfTheMoment>;
}

export type OfTheMoment =
  | "backlogMessages"
  | "backlogBytes"
  | "backlogOldestSeconds"
  | "devices"
  | "services"
  | "deadLetters"
  | "eventLoopP99Ms";

/** `null`: there was nothing to measure. */
export type SampleOf = { readonly at: number } & Readonly<Record<Sampled, number | null>> & {
    readonly refusedBy: Readonly<Partial<Record<OpenRefusal, number>>>;
  };

export type HistoryOf = { readonly everyMs: number; readonly at: number[] } & Readonly<
  Record<Sampled, (number | null)[]>
> & { readonly refusedBy: Readonly<Partial<Record<OpenRefusal, number[]>>> };

type Before = Pick<Reading, "elapsed" | "forwarded"> & {
  readonly books: BooksSnapshot;
  readonly buckets: readonly number[];
};

const MS = 1_000;

export class History {
  readonly #everyMs: number;
  readonly #most: number;
  readonly #samples: SampleOf[] = [];
  #before: Before | undefined;

  constructor(everyMs: number, lastsMs: number) {
    this.#everyMs = everyMs;
    this.#most = Math.ceil(lastsMs / everyMs);
  }

  /** Rates are those since the reading before; of the first there are none. */
  add(reading: Reading): SampleOf {
    const sample = sampleOf(reading, this.#before);
    const { books, elapsed, forwarded, puback } = reading;
    this.#before = { books, elapsed, forwarded, buckets: [...puback.buckets] };
    this.#samples.push(sample);
    if (this.#samples.length > this.#most) this.#samples.shift();
    return sample;
  }

  /** As columns, the oldest first. */
  columns(): HistoryOf {
    const samples = this.#samples;
    const reasons = OPEN_REFUSALS.filter((reason) => samples.some(({ refusedBy }) => refusedBy[reason]));
    return {
      everyMs: this.#everyMs,
      at: samples.map(({ at }) => at),
      ...columnsOf((name) => samples.map((sample) => sample[name])),
      refusedBy: Object.fromEntries(
        reasons.map((reason) => [reason, samples.map(({ refusedBy }) => refusedBy[reason] ?? 0)]),
      ),
    };
  }
}

function columnsOf<Value>(of: (name: Sampled) => Value): Record<Sampled, Value> {
  return Object.fromEntries(SAMPLED.map((name) => [name, of(name)])) as Record<Sampled, Value>;
}

function sampleOf({ at, elapsed, books, forwarded, puback, now }: Reading, before: Before | undefined): SampleOf {
  const seconds = before === undefined ? 0 : (elapsed - before.elapsed) / MS;
  const rate = (present: number, earlier: number | undefined): number =>
    seconds > 0 ? round(Math.max(0, present - (earlier ?? 0)) / seconds) : 0;
  const was = before?.books;
  const refusedBy: Partial<Record<OpenRefusal, number>> = {};
  const [refusals, earlier] = [openRefused(books.refused), was && openRefused(was.refused)];
  for (const reason of OPEN_REFUSALS) {
    const refused = rate(refusals[reason], earlier?.[reason]);
    if (refused > 0) refusedBy[reason] = refused;
  }
  const fresh = puback.buckets.map((count, index) => count - (before?.buckets[index] ?? 0));
  return {
    at,
    ...now,
    received: rate(books.received, was?.received),
    admitted: rate(books.admitted, was?.admitted),
    stored: rate(books.stored, was?.stored),
    forwarded: rate(forwarded, before?.forwarded),
    refused: round(Object.values(refusedBy).reduce((sum, value) => sum + value, 0)),
    deadLettered: rate(total(books.deadLettered), was && total(was.deadLettered)),
    inFlight: books.inFlight,
    pubackP50Ms: quantileMs(puback.bounds, fresh, 0.5),
    pubackP99Ms: quantileMs(puback.bounds, fresh, 0.99),
    refusedBy,
  };
}

/** Between the bounds of its bucket it is taken for even, as `histogram_quantile` does; `null` of nothing. */
export function quantileMs(bounds: readonly number[], counts: readonly number[], quantile: number): number | null {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all <= 0) return null;
  let left = quantile * all;
  for (const [index, count] of counts.entries()) {
    if (left > count) {
      left -= count;
      continue;
    }
    const lower = bounds[index - 1] ?? 0;
    const upper = bounds[index] ?? lower;
    return round((lower + (upper - lower) * (count === 0 ? 1 : left / count)) * MS);
  }
  return round((bounds.at(-1) ?? 0) * MS);
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Three digits behind the point: more would only make the answers longer. */
function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
