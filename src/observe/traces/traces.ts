/**
 * Which batches are traced, and how a pass finds the admissions of what it takes. A link is made in this process: the queue holds
 * nothing of a trace, so nothing of it rests, and after a restart a batch has no link.
 */
import type { AdmissionTraces, QueuePlace, SpanOutcome, Traced } from "../../model/trace.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";
import { UNTRACED } from "../../platform/untraced.ts";
import { type FinishedTrace, outcomeOf, type SpanId, Trace } from "./trace.ts";

export interface TracesOptions {
  /** Share of batches that are traced. */
  readonly sampleRatio: number;
  /** Step to which the begin of a trace is told. */
  readonly stepMs: number;
}

/** Traced batches in the queue that are remembered; of more the oldest have no link. */
const QUEUED = 10_000;

interface Queued extends SpanId {
  /** Monotonic ms. */
  readonly at: number;
}

export class Traces implements AdmissionTraces {
  readonly #options: TracesOptions;
  /** Must not throw, nor wait. */
  readonly #take: (trace: FinishedTrace) => void;
  readonly #admissions = new WeakMap<readonly object[], Trace>();
  readonly #queued = boundedCache<string, Queued>(QUEUED);

  constructor(options: TracesOptions, take: (trace: FinishedTrace) => void) {
    this.#options = options;
    this.#take = take;
  }

  begun(batch: readonly { readonly startedAt: number }[]): Traced {
    if (!this.#drawn()) return UNTRACED;
    const trace = new Trace("admission", batch[0]?.startedAt ?? performance.now());
    this.#admissions.set(batch, trace);
    return {
      step: (name, run, told) => trace.step(name, run, told),
      queuedAt: (place) => this.#queued.set(keyOf(place), { ...trace.id, at: performance.now() }),
    };
  }

  ended(batch: readonly object[], admitted: number, error: unknown): void {
    const trace = this.#admissions.get(batch);
    // A deadline that passed is no fault: what became of the batch is that it is not durable.
    const failure = outcomeOf(error);
    const outcome = error === undefined ? "ok" : failure === "FAULT" ? "NOT_DURABLE" : failure;
    if (trace !== undefined) this.#end(trace, { messages: batch.length, admitted, outcome });
  }

  /**
   * A pass over these batches, traced when one of them is. Those of another run or gateway are drawn here. `origin`: that of
   * all batches of this process.
   */
  async pass(
    places: readonly QueuePlace[],
    origin: string,
    messages: number,
    run: (trace: Traced) => Promise<void>,
  ): Promise<void> {
    const queued = places.flatMap((place) => this.#takeQueued(place));
    const foreign = places.some((place) => place.origin !== origin && this.#drawn());
    if (queued.length === 0 && !foreign) return run(UNTRACED);
    const startedAt = performance.now();
    const trace = new Trace("pass", startedAt, queued);
    const waited = queued.length === 0 ? {} : { queuedMs: startedAt - Math.min(...queued.map(({ at }) => at)) };
    const end = (outcome: SpanOutcome): void =>
      this.#end(trace, { messages, batches: places.length, ...waited, outcome });
    try {
      await run(trace);
    } catch (error) {
      end(outcomeOf(error));
      throw error;
    }
    end("ok");
  }

  #drawn(): boolean {
    return Math.random() < this.#options.sampleRatio;
  }

  /** Once: a batch that is tried again after a fault is in a pass of its own, without a link. */
  #takeQueued(place: QueuePlace): Queued[] {
    const key = keyOf(place);
    const queued = this.#queued.get(key);
    this.#queued.delete(key);
    return queued === undefined ? [] : [queued];
  }

  #end(trace: Trace, told: FinishedTrace["told"]): void {
    this.#take(trace.finished(told, this.#options.stepMs));
  }
}

function keyOf({ origin, number }: QueuePlace): string {
  return `${origin}-${number}`;
}
