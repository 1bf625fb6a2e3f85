/**
 * Finds many byte patterns at once, in one pass: every window of eight bytes is looked up in a bit
 * filter, and only the few that pass are compared. Cost per byte does not grow with the patterns.
 */
const ANCHOR_BYTES = 8;
const FILTER_BITS = 24;

export class ByteSearch {
  /** Length of the longest pattern; chunks of a stream must overlap by one byte less. */
  readonly longestBytes: number;
  readonly #bytes: Buffer;
  /** Pattern i is `#bytes[#starts[i] .. #starts[i + 1])`. */
  readonly #starts: Int32Array;
  /** Where in the pattern its anchor ends: the eight bytes that the fewest other patterns have. */
  readonly #anchorEnds: Int32Array;
  readonly #filter = new Uint8Array(2 ** (FILTER_BITS - 3));
  /** Chains of patterns whose anchors share a bucket. */
  readonly #heads: Int32Array;
  readonly #next: Int32Array;

  /** Throws when a pattern is shorter than eight bytes: that short, a find would say nothing. */
  constructor(patterns: readonly Buffer[]) {
    this.#bytes = Buffer.concat(patterns);
    this.#starts = new Int32Array(patterns.length + 1);
    this.#anchorEnds = new Int32Array(patterns.length);
    this.#next = new Int32Array(patterns.length).fill(-1);
    this.#heads = new Int32Array(2 ** Math.max(10, Math.ceil(Math.log2(patterns.length + 1)))).fill(-1);
    let longest = 0;
    for (const [index, { length }] of patterns.entries()) {
      if (length < ANCHOR_BYTES) throw new RangeError(`pattern ${index} is shorter than ${ANCHOR_BYTES} bytes`);
      this.#starts[index + 1] = at(this.#starts, index) + length;
      longest = Math.max(longest, length);
    }
    this.longestBytes = longest;
    const commonness = this.#countAnchors();
    for (let index = 0; index < patterns.length; index += 1) this.#insert(index, commonness);
  }

  /** Calls `found` with the index of a pattern for each occurrence that lies wholly within `text`. */
  scan(text: Uint8Array, found: (pattern: number) => void): void {
    const filter = this.#filter;
    let high = 0;
    let low = 0;
    for (let index = 0; index < text.length; index += 1) {
      high = (high << 8) | (low >>> 24);
      low = (low << 8) | (text[index] as number);
      const hash = hashWindow(high, low);
      if (((filter[hash >>> 3] as number) & (1 << (hash & 7))) !== 0 && index >= ANCHOR_BYTES - 1) {
        this.#compare(text, index + 1, hash, found);
      }
    }
  }

  #compare(text: Uint8Array, anchorEnd: number, hash: number, found: (pattern: number) => void): void {
    for (
      let pattern = at(this.#heads, hash & (this.#heads.length - 1));
      pattern >= 0;
      pattern = at(this.#next, pattern)
    ) {
      const start = at(this.#starts, pattern);
      const length = at(this.#starts, pattern + 1) - start;
      const from = anchorEnd - at(this.#anchorEnds, pattern);
      if (from < 0 || from + length > text.length) continue;
      let matched = 0;
      while (matched < length && text[from + matched] === this.#bytes[start + matched]) matched += 1;
      if (matched === length) found(pattern);
    }
  }

  /** How many patterns have a window at all, by hash; an estimate is enough to choose by. */
  #countAnchors(): Uint16Array {
    const counts = new Uint16Array(2 ** FILTER_BITS);
    this.#eachWindow(0, this.#anchorEnds.length, (hash) => {
      if (at(counts, hash) < 0xffff) counts[hash] = at(counts, hash) + 1;
    });
    return counts;
  }

  #insert(pattern: number, commonness: Uint16Array): void {
    let best = -1;
    let bestCount = Number.POSITIVE_INFINITY;
    this.#eachWindow(pattern, pattern + 1, (hash, anchorEnd) => {
      if (at(commonness, hash) >= bestCount) return;
      bestCount = at(commonness, hash);
      best = hash;
      this.#anchorEnds[pattern] = anchorEnd;
    });
    this.#filter[best >>> 3] = at(this.#filter, best >>> 3) | (1 << (best & 7));
    const bucket = best & (this.#heads.length - 1);
    this.#next[pattern] = at(this.#heads, bucket);
    this.#heads[bucket] = pattern;
  }

  #eachWindow(from: number, to: number, visit: (hash: number, anchorEnd: number) => void): void {
    for (let pattern = from; pattern < to; pattern += 1) {
      const start = at(this.#starts, pattern);
      const length = at(this.#starts, pattern + 1) - start;
      let high = 0;
      let low = 0;
      for (let index = 0; index < length; index += 1) {
        high = (high << 8) | (low >>> 24);
        low = (low << 8) | at(this.#bytes, start + index);
        if (index >= ANCHOR_BYTES - 1) visit(hashWindow(high, low), index + 1);
      }
    }
  }
}

function hashWindow(high: number, low: number): number {
  let hash = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> (32 - FILTER_BITS);
}

function at(numbers: { readonly [index: number]: number }, index: number): number {
  return numbers[index] as number;
}
