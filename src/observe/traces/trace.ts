/**
 * One trace while it grows: plain times, in memory. Its ids are random, and the only thing of it that anything outside knows. What
 * becomes of it later costs the batch nothing but these notes.
 */
import { randomBytes } from "node:crypto";
import { GatewayError } from "../../model/errors.ts";
import type { Attribute, RootSpan, SpanOutcome, StepSpan, StepTold, Traced } from "../../model/trace.ts";

/** Of an outage of hours only the begin is told. */
export const MOST_STEPS = 60;

export interface SpanId {
  readonly traceId: string;
  readonly spanId: string;
}

type Told = Partial<Readonly<Record<Attribute, number | string>>>;

export interface SpanTimes {
  /** Monotonic ms. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly told: Told;
}

export interface FinishedTrace extends SpanTimes {
  readonly name: RootSpan;
  readonly id: SpanId;
  /** Unix ms at which it is told to have begun. */
  readonly at: number;
  readonly links: readonly SpanId[];
  readonly steps: readonly (SpanTimes & { readonly name: StepSpan })[];
}

export class Trace implements Traced {
  readonly id: SpanId = { traceId: randomBytes(16).toString("hex"), spanId: randomBytes(8).toString("hex") };
  readonly #name: RootSpan;
  readonly #startedAt: number;
  readonly #links: readonly SpanId[];
  readonly #steps: (SpanTimes & { readonly name: StepSpan })[] = [];
  #leftOut = 0;

  /** `startedAt`: monotonic ms, perhaps of before. */
  constructor(name: RootSpan, startedAt: number, links: readonly SpanId[] = []) {
    this.#name = name;
    this.#startedAt = startedAt;
    this.#links = links;
  }

  step<T>(name: StepSpan, run: () => T, told: StepTold = {}): T {
    if (told.messages === 0) return run();
    const startedAt = performance.now();
    const ended = (outcome: SpanOutcome): void => {
      if (this.#steps.length === MOST_STEPS) this.#leftOut += 1;
      else this.#steps.push({ name, startedAt, endedAt: performance.now(), told: { ...told, outcome } });
    };
    const failed = (error: unknown): never => {
      ended(outcomeOf(error));
      throw error;
    };
    let result: T;
    try {
      result = run();
    } catch (error) {
      return failed(error);
    }
    if (!(result instanceof Promise)) {
      ended("ok");
      return result;
    }
    return result.then((value) => {
      ended("ok");
      return value;
    }, failed) as T;
  }

  /** Its begin is told by the step it lies in, and all else from there: a trace tells no more of when than a message does. */
  finished(told: Told, stepMs: number): FinishedTrace {
    const endedAt = performance.now();
    const begin = Date.now() - (endedAt - this.#startedAt);
    return {
      name: this.#name,
      id: this.id,
      at: Math.floor(begin / stepMs) * stepMs,
      links: this.#links,
      steps: this.#steps,
      startedAt: this.#startedAt,
      endedAt,
      told: this.#leftOut === 0 ? told : { ...told, stepsLeftOut: this.#leftOut },
    };
  }
}

export function outcomeOf(error: unknown): SpanOutcome {
  return error instanceof GatewayError ? error.code : "FAULT";
}
