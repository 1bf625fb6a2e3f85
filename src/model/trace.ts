/**
 * What a trace may say, as one closed table: the spans there are, and what is told of each beside how long it took. Counts, codes and
 * names of the product's own: there is no place in it for a device, a person, a topic, a cell or a message.
 */
import type { ErrorCode } from "./errors.ts";
import type { Purpose } from "./purposes.ts";
import type { SinkName } from "./sink.ts";

/** What is told of a span, as the gateway says it and as the collector gets it. */
export const ATTRIBUTES = {
  outcome: {
    key: "consentry.outcome",
    what: "`ok`, a code of [the errors](../errors.md), or `FAULT`; anything but `ok` is an error of OpenTelemetry too",
  },
  messages: { key: "consentry.messages", what: "messages that it was about" },
  admitted: { key: "consentry.admitted", what: "how many of them became durable; the rest was refused" },
  batches: { key: "consentry.batches", what: "batches of the queue that share the pass" },
  queuedMs: {
    key: "consentry.queued_ms",
    what: "from the moment the first of the linked batches was handed to the queue to the begin of the pass",
  },
  stepsLeftOut: {
    key: "consentry.steps_left_out",
    what: "steps of which there is no span, because there were too many",
  },
  purpose: { key: "consentry.purpose", what: "purpose for which it was done" },
  sink: { key: "consentry.sink", what: "kind of store" },
} as const;
export type Attribute = keyof typeof ATTRIBUTES;

interface SpanRow {
  readonly what: string;
  /** Beside `outcome`, which every span has. */
  readonly tells: readonly Attribute[];
}

/** Each begins a trace of its own. */
export const ROOT_SPANS = {
  admission: {
    what: "a batch: from its first PUBLISH, through the wait for earlier batches, to the last PUBACK written",
    tells: ["messages", "admitted", "stepsLeftOut"],
  },
  pass: {
    what: "batches out of the queue, until every message has its outcome; linked to the admissions of its batches",
    tells: ["messages", "batches", "queuedMs", "stepsLeftOut"],
  },
} as const satisfies Record<string, SpanRow>;
export type RootSpan = keyof typeof ROOT_SPANS;

/** Children of the two; one of them comes again when its batch is tried again. */
export const STEP_SPANS = {
  "consent check": { what: "what the people of the batch allow, from Redis", tells: ["messages"] },
  "queue write": { what: "sealed, and durable in Redis", tells: ["messages"] },
  lease: { what: "for a lease, which a withdrawal waits for", tells: [] },
  "de-identification": { what: "pseudonyms, cells, coarse times", tells: ["messages"] },
  "store write": { what: "a write to the store, answered or not", tells: ["messages", "sink"] },
  note: { what: "into the sealed records that are told at steps", tells: ["messages", "purpose"] },
  "dead letters": { what: "messages that could not be processed, sealed", tells: ["messages"] },
  crowd: { what: "into what is told of crowds alone", tells: ["messages", "purpose"] },
  account: { what: "the account of disclosures, before anything is forwarded", tells: ["messages", "purpose"] },
  forward: { what: "handed to the connections of the services", tells: ["messages", "purpose"] },
  settle: { what: "each message counted by its outcome", tells: ["messages"] },
} as const satisfies Record<string, SpanRow>;
export type StepSpan = keyof typeof STEP_SPANS;

export type SpanOutcome = "ok" | ErrorCode | "FAULT";

/** Of one step; nothing else can be said. */
export interface StepTold {
  /** A step without any has nothing to do, and no span. */
  readonly messages?: number;
  readonly purpose?: Purpose;
  readonly sink?: SinkName;
}

/** Where a batch stands in the queue; random, but for a number. */
export interface QueuePlace {
  readonly origin: string;
  readonly number: number;
}

/** One batch, or one pass, as its steps see it. */
export interface Traced {
  /** Runs it as a span, whatever becomes of it. */
  step<T>(name: StepSpan, run: () => T, told?: StepTold): T;
  /** To be called with the place that the batch gets; absent where no one asks. */
  readonly queuedAt?: (place: QueuePlace) => void;
}

/** What admission has traced. A batch is known by its identity. */
export interface AdmissionTraces {
  begun(batch: readonly { readonly startedAt: number }[]): Traced;
  /** Once everything is answered; `error` when nothing of it is durable. */
  ended(batch: readonly object[], admitted: number, error: unknown): void;
}
