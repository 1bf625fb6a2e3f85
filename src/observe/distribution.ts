/**
 * A histogram that records many equal observations at the cost of one: one flush counts for all its messages. And a
 * summary whose quantiles are measured elsewhere.
 */
import { Histogram, type MetricValueWithName, Summary } from "prom-client";
import type { MetricRow } from "./metric-row.ts";

/** Plain numbers; `bounds` ascending, and one more bucket for values above the last. */
export class Distribution {
  readonly bounds: readonly number[];
  readonly buckets: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.buckets = new Array<number>(bounds.length + 1).fill(0);
  }

  /** `times` messages that all took `value`, in the unit of the metric. */
  observe(value: number, times: number): void {
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] ?? 0)) index += 1;
    this.buckets[index] = (this.buckets[index] ?? 0) + times;
    this.sum += value * times;
    this.count += times;
  }
}

/** Passes distributions kept elsewhere to prom-client at scrape time. */
export class ScrapedHistogram extends Histogram {
  readonly #row: MetricRow;
  readonly #series: () => readonly (readonly [Record<string, string>, Distribution])[];

  constructor(row: MetricRow, series: () => readonly (readonly [Record<string, string>, Distribution])[]) {
    super({
      name: row.name,
      help: row.help,
      buckets: [...(row.buckets ?? [])],
      labelNames: Object.keys(row.labels),
      registers: [],
    });
    this.#row = row;
    this.#series = series;
  }

  /** What prom-client 15 calls on a histogram, for text and for JSON; not in its types, so a test checks it. */
  async getForPromString(): Promise<object> {
    return { name: this.#row.name, help: this.#row.help, type: "histogram", values: this.#samples() };
  }

  #samples(): MetricValueWithName<string>[] {
    return this.#series().flatMap(([labels, kept]) => samples(this.#row.name, labels, kept));
  }
}

/** Quantiles of a moving window beside the sum and the count since the start. */
export interface Quantiles {
  /** By quantile: `0.5`, `0.99`, `1`. */
  readonly of: Readonly<Record<string, number>>;
  readonly sum: number;
  readonly count: number;
}

/** Passes quantiles measured elsewhere to prom-client at scrape time. */
export class ScrapedSummary extends Summary {
  readonly #row: MetricRow;
  readonly #measured: () => Quantiles;

  constructor(row: MetricRow, measured: () => Quantiles) {
    super({ name: row.name, help: row.help, percentiles: [], registers: [] });
    this.#row = row;
    this.#measured = measured;
  }

  /** What prom-client 15 calls for text; its own type says less, so a test checks what is printed. */
  override async get(): Promise<Awaited<ReturnType<Summary["get"]>>> {
    const { name, help } = this.#row;
    const { of, sum, count } = this.#measured();
    const values = [
      ...Object.entries(of).map(([quantile, value]) => ({ labels: { quantile }, value })),
      { metricName: `${name}_sum`, labels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, value: count },
    ];
    return { name, help, type: "summary", values, aggregator: "sum" } as unknown as Awaited<ReturnType<Summary["get"]>>;
  }
}

function samples(name: string, labels: Record<string, string>, kept: Distribution): MetricValueWithName<string>[] {
  let below = 0;
  const buckets = kept.bounds.map((bound, index) => {
    below += kept.buckets[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: kept.count },
    { metricName: `${name}_sum`, labels, value: kept.sum },
    { metricName: `${name}_count`, labels, value: kept.count },
  ];
}
