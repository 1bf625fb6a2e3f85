/** From plain numbers to the Prometheus text: series are created only at scrape time. */
import { Counter, Gauge, type Registry } from "prom-client";
import { type Distribution, type Quantiles, ScrapedHistogram, ScrapedSummary } from "./distribution.ts";
import type { MetricRow } from "./metric-row.ts";
import { METRICS, type MetricName } from "./metric-table.ts";

type Labels = Record<string, string>;
export type Series = readonly (readonly [labels: Labels, value: number])[];
export type Distributions = readonly (readonly [labels: Labels, kept: Distribution])[];

/** The source of each row of the table; a row without a source does not compile. */
export type Sources = {
  readonly [Name in MetricName]: () => Figures<(typeof METRICS)[Name]["kind"]>;
};

type Figures<Kind> = Kind extends "histogram" ? Distributions : Kind extends "summary" ? Quantiles : Series;

/** `all`: with those that are told with the token alone. */
export function registerAll(registry: Registry, sources: Sources, all: boolean): void {
  for (const [name, row] of Object.entries(METRICS) as [MetricName, MetricRow][]) {
    if (row.guarded === true && !all) continue;
    const source = sources[name];
    if (row.kind === "histogram") registry.registerMetric(new ScrapedHistogram(row, source as () => Distributions));
    else if (row.kind === "summary") registry.registerMetric(new ScrapedSummary(row, source as () => Quantiles));
    else registry.registerMetric(scraped(row, source as () => Series));
  }
}

/** One series without labels. */
export function single(value: number): Series {
  return [[{}, value]];
}

/** One series for each value of the label. */
export function by(label: string, values: Readonly<Record<string, number>>): Series {
  return Object.entries(values).map(([value, amount]) => [{ [label]: value }, amount]);
}

function scraped(row: MetricRow, source: () => Series): Counter | Gauge {
  const shape = { name: row.name, help: row.help, labelNames: Object.keys(row.labels), registers: [] };
  if (row.kind === "gauge") {
    return new Gauge({
      ...shape,
      collect() {
        for (const [labels, value] of source()) this.set(labels, value);
      },
    });
  }
  return new Counter({
    ...shape,
    collect() {
      this.reset();
      for (const [labels, value] of source()) this.inc(labels, value);
    },
  });
}
