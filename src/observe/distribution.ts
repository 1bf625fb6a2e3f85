/** A histogram that records many equal observations at the cost of one: one flush counts for all its messages. */
import { Histogram, type MetricValueWithName } from "prom-client";
import type { MetricRow } from "./metric-table.ts";

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
