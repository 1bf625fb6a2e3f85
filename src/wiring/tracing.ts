/** Wires traces. Where there are none, nothing of OpenTelemetry is loaded, and the path is as it is without them. */
import { headersOf } from "../config/tracing-options.ts";
import type { Otlp, TellSpans } from "../observe/traces/otlp.ts";
import { Traces } from "../observe/traces/traces.ts";
import type { Part } from "../platform/lifecycle.ts";
import type { Base } from "./base.ts";

export interface Tracing {
  /** Absent: nothing is traced. */
  readonly traces: Traces | undefined;
  /** First to start and last to stop, so that everything it is told of is told. */
  readonly parts: readonly Part[];
}

/** A trace tells no finer than this when it began, nor finer than a scene service is told when something was said. */
const FINEST_STEP_MS = 1_000;
/** What is still to be told at a stop has so long. */
const LAST_WORDS_MS = 1_500;

export function createTracing({ config, metrics, log }: Pick<Base, "config" | "metrics" | "log">): Tracing {
  const { enabled, headers, sampleRatio, ...options } = config.tracing;
  if (!enabled) return { traces: undefined, parts: [] };
  let otlp: Otlp | undefined;
  let isAway = false;
  const tell: TellSpans = (outcome, spans) => {
    metrics.traceSpans(outcome, spans);
    if (outcome === "dropped" || isAway === (outcome === "failed")) return;
    isAway = !isAway;
    if (isAway) log.warn("traces are not taken by the collector", { count: spans });
    else log.info("traces are taken by the collector again");
  };
  const stepMs = Math.max(FINEST_STEP_MS, config.deidentify.atStepMs.scene);
  const traces = new Traces({ sampleRatio, stepMs }, (trace) => otlp?.take(trace));
  return {
    traces,
    parts: [
      {
        name: "tracing",
        start: async () => {
          const { Otlp } = await import("../observe/traces/otlp.ts");
          otlp = new Otlp({ ...options, headers: headersOf(headers) ?? {} }, tell);
        },
        stop: async () => {
          await otlp?.stop(LAST_WORDS_MS);
        },
      },
    ],
  };
}
