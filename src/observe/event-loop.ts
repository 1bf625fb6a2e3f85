/** Measures how late the event loop runs, over windows of a few seconds. */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

const SAMPLE_MS = 20;
const WINDOW_MS = 5_000;
const NS_PER_MS = 1e6;

/** Milliseconds after the time the loop was due. */
export interface EventLoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Everything measured since the start: `ms` is the sum of all delays. */
export interface EventLoopTotal {
  readonly samples: number;
  readonly ms: number;
}

/**
 * After a reset a histogram misses one sample, and a block may begin just then. So there are two, reset alternately:
 * each reading covers one window, and both never miss the same moment.
 */
export class EventLoopWatch {
  #histograms: IntervalHistogram[] = [];
  #timer: NodeJS.Timeout | undefined;
  #last: EventLoopDelay = { p50: 0, p99: 0, max: 0 };
  /** Never reset, so that the sum misses nothing. */
  #all: IntervalHistogram | undefined;
  #sumMs = 0;
  #total: EventLoopTotal = { samples: 0, ms: 0 };

  /** The last window; renewed twice per window length, and all 0 at first. */
  get delayMs(): EventLoopDelay {
    return this.#last;
  }

  /** Up to the end of the last window. */
  get total(): EventLoopTotal {
    return this.#total;
  }

  start(windowMs = WINDOW_MS): void {
    this.#histograms = [0, 1].map(() => monitorEventLoopDelay({ resolution: SAMPLE_MS }));
    this.#all = monitorEventLoopDelay({ resolution: SAMPLE_MS });
    for (const histogram of [this.#all, ...this.#histograms]) histogram.enable();
    // After a block all timers are due at once; the block is recorded only after they have run.
    this.#timer = setInterval(() => setImmediate(() => this.#closeWindow()), windowMs / 2).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const histogram of this.#histograms) histogram.disable();
    this.#all?.disable();
    this.#histograms = [];
  }

  #closeWindow(): void {
    const older = this.#histograms.shift();
    if (older === undefined) return;
    this.#last = read(older);
    if (this.#all !== undefined) this.#add(this.#all);
    older.reset();
    this.#histograms.push(older);
  }

  /** Of all samples so far; a sum that is told never falls, though a sample may come a little early. */
  #add({ count, mean }: IntervalHistogram): void {
    if (count === 0) return;
    const sumMs = (mean / NS_PER_MS - SAMPLE_MS) * count;
    this.#total = { samples: count, ms: this.#total.ms + Math.max(0, sumMs - this.#sumMs) };
    this.#sumMs = sumMs;
  }
}

/** Node records the whole time between two samples; the sampling interval itself is no delay. */
function read(histogram: IntervalHistogram): EventLoopDelay {
  if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 };
  const beyond = (ns: number) => Math.max(0, ns / NS_PER_MS - SAMPLE_MS);
  return { p50: beyond(histogram.percentile(50)), p99: beyond(histogram.percentile(99)), max: beyond(histogram.max) };
}
