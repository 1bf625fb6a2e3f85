/** One row of the table of metrics, and what makes one of each kind. Every name begins with that of the project. */

export interface MetricRow {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram" | "summary";
  /** At most two labels, each with all its possible values. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
  readonly help: string;
  /** Of a label whose one value depends on where the gateway runs: what it is, in words for the document. */
  readonly described?: Readonly<Record<string, string>>;
  /** Told to those alone who have the token, because it says something of a person where few are. */
  readonly guarded?: true;
  /** Upper bounds of a histogram, in the unit of its name. */
  readonly buckets?: readonly number[];
}

type Labels = Readonly<Record<string, readonly string[]>>;
type NoLabels = Readonly<Record<never, never>>;

export function counter<const Set extends Labels = NoLabels>(name: string, help: string, labels?: Set) {
  return { name: `consentry_${name}`, kind: "counter", labels: labels ?? ({} as Set), help } as const;
}

export function gauge<const Set extends Labels = NoLabels>(name: string, help: string, labels?: Set) {
  return { name: `consentry_${name}`, kind: "gauge", labels: labels ?? ({} as Set), help } as const;
}

export function guarded<Row extends MetricRow>(row: Row): Row & { readonly guarded: true } {
  return { ...row, help: `${row.help} With the token alone.`, guarded: true };
}

/** Its one label is the quantile. */
export function summary<const Quantile extends string>(name: string, help: string, quantile: readonly Quantile[]) {
  return { name: `consentry_${name}`, kind: "summary", labels: { quantile }, help } as const;
}

export function histogram<const Set extends Labels = NoLabels>(
  name: string,
  help: string,
  buckets: readonly number[],
  labels?: Set,
) {
  return { name: `consentry_${name}`, kind: "histogram", labels: labels ?? ({} as Set), help, buckets } as const;
}
