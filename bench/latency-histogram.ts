/**
 * Counts durations in log-linear buckets (32 for each power of two, so about 3 % wide) at a cost of
 * a few nanoseconds a record, which is what allows timing every message of a full-speed run.
 */
const SUB_BUCKET_BITS = 5;
const BUCKETS = 1024;

export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Everything a histogram holds, to be sent to another process and added there. */
export interface LatencyBuckets {
  readonly counts: Float64Array;
  readonly count: number;
  readonly sumUs: number;
  readonly maxUs: number;
}

export class LatencyHistogram {
  static of(parts: readonly LatencyBuckets[]): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (const part of parts) histogram.#add(part);
    return histogram;
  }

  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sumUs = 0;
  #maxUs = 0;

  /** Records `times` messages that all took `durationUs`. */
  record(durationUs: number, times = 1): void {
    const value = durationUs < 0 ? 0 : Math.min(Math.round(durationUs), 0x3fffffff);
    const bucket = bucketOf(value);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + times;
    this.#count += times;
    this.#sumUs += value * times;
    if (value > this.#maxUs) this.#maxUs = value;
  }

  buckets(): LatencyBuckets {
    return { counts: this.#counts.slice(), count: this.#count, sumUs: this.#sumUs, maxUs: this.#maxUs };
  }

  #add({ counts, count, sumUs, maxUs }: LatencyBuckets): void {
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      this.#counts[bucket] = (this.#counts[bucket] ?? 0) + (counts[bucket] ?? 0);
    }
    this.#count += count;
    this.#sumUs += sumUs;
    this.#maxUs = Math.max(this.#maxUs, maxUs);
  }

  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sumUs = 0;
    this.#maxUs = 0;
  }

  /** All durations in milliseconds; zeros when nothing was recorded. */
  summary(): LatencySummary {
    return {
      count: this.#count,
      mean: this.#count === 0 ? 0 : round(this.#sumUs / this.#count / 1000),
      p50: this.percentileMs(0.5),
      p90: this.percentileMs(0.9),
      p99: this.percentileMs(0.99),
      max: round(this.#maxUs / 1000),
    };
  }

  percentileMs(share: number): number {
    const rank = Math.ceil(this.#count * share);
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank && seen > 0) return round(Math.min(middleOf(bucket), this.#maxUs) / 1000);
    }
    return 0;
  }
}

function bucketOf(value: number): number {
  if (value < 2 << SUB_BUCKET_BITS) return value;
  const shift = 31 - Math.clz32(value) - SUB_BUCKET_BITS;
  return (shift << SUB_BUCKET_BITS) + (value >>> shift);
}

function middleOf(bucket: number): number {
  if (bucket < 2 << SUB_BUCKET_BITS) return bucket;
  const shift = (bucket >>> SUB_BUCKET_BITS) - 1;
  const lower = ((bucket & 31) + 32) * 2 ** shift;
  return lower + 2 ** shift / 2;
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
