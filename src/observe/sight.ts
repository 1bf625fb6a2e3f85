/** What a rule of alarms can see of the metrics: how they stand, and by how much they have risen, as Prometheus would tell it. */
import type { Distribution } from "./distribution.ts";
import { quantileMs } from "./history.ts";
import type { MetricName } from "./metric-table.ts";
import type { Metrics } from "./metrics.ts";
import type { Series } from "./scrape.ts";

type Labels = Readonly<Record<string, string>>;

interface Kept {
  readonly windowMs: number;
  readonly read: () => readonly number[];
  /** Oldest first, one for each change; before the first all were 0, as at the start of the process. */
  readonly changes: { readonly elapsed: number; readonly values: readonly number[] }[];
}

export class Sight {
  readonly #metrics: Pick<Metrics, "figure">;
  readonly #kept = new Map<string, Kept>();
  #elapsed = 0;

  constructor(metrics: Pick<Metrics, "figure">) {
    this.#metrics = metrics;
  }

  /** `elapsed`: ms that never go back. */
  look(elapsed: number): void {
    this.#elapsed = elapsed;
    for (const kept of this.#kept.values()) note(kept, elapsed);
  }

  /** The sum of its series that have these labels. */
  value(name: MetricName, labels: Labels = {}): number {
    const series = this.#metrics.figure(name) as Series;
    return series.reduce((sum, [own, value]) => (fits(own, labels) ? sum + value : sum), 0);
  }

  least(name: MetricName): number {
    return Math.min(...(this.#metrics.figure(name) as Series).map(([, value]) => value));
  }

  increase(name: MetricName, windowMs: number, labels: Labels = {}): number {
    const [by = 0] = this.#rise(`${name} ${JSON.stringify(labels)} ${windowMs}`, windowMs, () => [
      this.value(name, labels),
    ]);
    return by;
  }

  /** In seconds, of what was observed within the window; 0 when that is nothing. */
  quantile(name: "withdrawal", quantile: number, windowMs: number): number {
    const of = (): Distribution => this.#metrics.figure(name)[0]?.[1] as Distribution;
    const fresh = this.#rise(`${name} buckets ${windowMs}`, windowMs, () => [...of().buckets]);
    return (quantileMs(of().bounds, fresh, quantile) ?? 0) / 1_000;
  }

  #rise(key: string, windowMs: number, read: Kept["read"]): readonly number[] {
    const known = this.#kept.get(key);
    const kept = known ?? { windowMs, read, changes: [] };
    if (known === undefined) {
      this.#kept.set(key, kept);
      note(kept, this.#elapsed);
    }
    const base = kept.changes.findLast(({ elapsed }) => elapsed <= this.#elapsed - windowMs)?.values;
    return (kept.changes.at(-1)?.values ?? []).map((value, index) => value - (base?.[index] ?? 0));
  }
}

function note({ windowMs, read, changes }: Kept, elapsed: number): void {
  const values = read();
  if (values.some((value, index) => value !== (changes.at(-1)?.values[index] ?? 0))) changes.push({ elapsed, values });
  // The last one before the window says from where it rises.
  while ((changes[1]?.elapsed ?? Number.POSITIVE_INFINITY) <= elapsed - windowMs) changes.shift();
}

function fits(own: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([label, value]) => own[label] === value);
}
