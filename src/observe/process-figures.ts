/**
 * What Node.js and the system say of this process, under the names that ready-made dashboards know: `process_…`,
 * `nodejs_…`. Collected once a second at most: among it is the list of open files, one for each connection.
 */
import { collectDefaultMetrics, Registry } from "prom-client";

/** Gauges whose name says that they were counters, which `promtool check metrics` refuses; the same stands in those by type. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

const FRESH_MS = 1_000;

export class ProcessFigures {
  readonly #registry = new Registry();
  #kept: { readonly at: number; readonly text: Promise<string> } | undefined;

  start(): void {
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
  }

  stop(): void {
    this.#kept = undefined;
    this.#registry.clear();
  }

  /** The Prometheus text format; requests within a second get the same. `now`: monotonic ms. */
  text(now = performance.now()): Promise<string> {
    if (this.#kept === undefined || now - this.#kept.at >= FRESH_MS)
      this.#kept = { at: now, text: this.#registry.metrics() };
    return this.#kept.text;
  }
}
