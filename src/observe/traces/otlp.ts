/**
 * Hands finished traces to a collector, by OTLP over HTTP (JSON): bounded in what waits, and in how long one request may take. What
 * finds no room is dropped whole, so that a trace is never half told. The one file that knows OpenTelemetry, loaded only where
 * traces are made.
 */
import { randomBytes } from "node:crypto";
import { ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace as traceApi } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { ATTRIBUTES, type Attribute } from "../../model/trace.ts";
import type { SpanDelivery } from "../metric-table.ts";
import { VERSION } from "../version.ts";
import type { FinishedTrace, SpanId, SpanTimes } from "./trace.ts";

export interface OtlpOptions {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly queueSpans: number;
}

/** What became of so many spans. */
export type TellSpans = (outcome: SpanDelivery, spans: number) => void;

/** Told in one request. */
const SPANS_PER_REQUEST = 256;
/** A request that hangs keeps no other one back. */
const REQUESTS_AT_A_TIME = 2;
/** After its own deadline a request that never ends counts as failed. */
const MARGIN_MS = 500;
const SAMPLED = { traceFlags: TraceFlags.SAMPLED };

export class Otlp {
  readonly #queueSpans: number;
  readonly #tell: TellSpans;
  readonly #provider: TracerProvider;
  readonly #ids: GivenIds = new GivenIds();
  #waiting = 0;

  constructor({ queueSpans, everyMs, timeoutMs, endpoint, headers }: OtlpOptions, tell: TellSpans) {
    this.#queueSpans = queueSpans;
    this.#tell = tell;
    const exporter = new OTLPTraceExporter({
      url: endpoint,
      headers: { ...headers },
      timeoutMillis: timeoutMs,
      concurrencyLimit: REQUESTS_AT_A_TIME,
    });
    const processor = new BatchSpanProcessor({
      exporter: this.#counting(exporter, timeoutMs + MARGIN_MS),
      maxQueueSize: queueSpans,
      maxExportBatchSize: Math.min(SPANS_PER_REQUEST, queueSpans),
      scheduledDelayMillis: everyMs,
      exportTimeoutMillis: timeoutMs + 2 * MARGIN_MS,
    });
    this.#provider = new TracerProvider({
      // These two alone: nothing of the host, the process or its user.
      resource: resourceFromAttributes({ "service.name": "consentry", "service.version": VERSION }),
      sampler: new AlwaysOnSampler(),
      idGenerator: this.#ids,
      spanLimits: { attributeCountLimit: 16, linkCountLimit: 64, eventCountLimit: 0 },
      spanProcessors: [processor],
    });
  }

  take(trace: FinishedTrace): void {
    const spans = 1 + trace.steps.length;
    if (this.#waiting + spans > this.#queueSpans) {
      this.#tell("dropped", spans);
      return;
    }
    this.#waiting += spans;
    const tracer = this.#provider.getTracer("consentry", VERSION);
    const span = (
      name: string,
      { startedAt, endedAt, told }: SpanTimes,
      links: readonly SpanId[],
      parent = ROOT_CONTEXT,
    ) => {
      const startTime = timeOf(trace, startedAt);
      const contexts = links.map((link) => ({ context: { ...link, ...SAMPLED } }));
      const made = tracer.startSpan(name, { startTime, attributes: attributesOf(told), links: contexts }, parent);
      if (told.outcome !== "ok") made.setStatus({ code: SpanStatusCode.ERROR });
      made.end(timeOf(trace, endedAt));
    };
    this.#ids.next = trace.id;
    span(trace.name, trace, trace.links);
    const parent = traceApi.setSpanContext(ROOT_CONTEXT, { ...trace.id, ...SAMPLED });
    for (const step of trace.steps) span(step.name, step, [], parent);
  }

  /** Tells what waits. Resolves within `deadlineMs`, told or not. */
  async stop(deadlineMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([this.#provider.shutdown().catch(() => undefined), late]);
    clearTimeout(timer);
  }

  /** As `exporter`, with what becomes of the spans counted; and each request has an end. */
  #counting(exporter: SpanExporter, deadlineMs: number): SpanExporter {
    return {
      export: (spans, done) => {
        const end: typeof done = (result) => {
          if (ended) return;
          ended = true;
          clearTimeout(timer);
          this.#waiting -= spans.length;
          this.#tell(result.code === 0 ? "delivered" : "failed", spans.length);
          // Without the cause: what a collector says may be anything.
          done({ code: result.code });
        };
        let ended = false;
        const timer = setTimeout(() => end({ code: 1 }), deadlineMs);
        timer.unref();
        exporter.export(spans, end);
      },
      shutdown: () => exporter.shutdown(),
    };
  }
}

/** A trace has its ids before it has spans; those of its steps are drawn here. */
class GivenIds {
  next: SpanId | undefined;

  generateTraceId(): string {
    const { traceId = "" } = this.next ?? {};
    this.next = undefined;
    return traceId;
  }

  /** For the first span of a trace it is asked before the other one. */
  generateSpanId(): string {
    return this.next?.spanId ?? randomBytes(8).toString("hex");
  }
}

function attributesOf(told: SpanTimes["told"]): Record<string, number | string> {
  const entries = Object.entries(told) as [Attribute, number | string][];
  return Object.fromEntries(entries.map(([attribute, value]) => [ATTRIBUTES[attribute].key, value]));
}

/** Seconds and nanoseconds of Unix time. */
function timeOf({ at, startedAt }: FinishedTrace, moment: number): [number, number] {
  const ms = at + (moment - startedAt);
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}
