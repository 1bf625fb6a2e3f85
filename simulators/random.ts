/**
 * Seeded random numbers: the same seed gives the same fleet, messages and mistakes on every machine.
 * Not for secrets.
 */
export class Random {
  #state: number;

  constructor(seed: number | string) {
    this.#state = typeof seed === "number" ? seed >>> 0 : hash(seed);
  }

  /** Uniform in [0, 1); mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** Integer in [0, below). */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.int(items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }

  /** One of `rows`, each with its weight; the weights need not add up to one. */
  weighted<T>(rows: readonly (readonly [T, number])[]): T {
    let point = this.next() * rows.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [item, weight] of rows) {
      point -= weight;
      if (point < 0) return item;
    }
    return this.pick(rows)[0];
  }

  hex(length: number): string {
    let text = "";
    while (text.length < length) text += this.int(16).toString(16);
    return text;
  }

  /** Standard normal (Box-Muller). */
  gaussian(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  /** An independent stream, so that adding a draw in one place does not change another. */
  fork(label: string): Random {
    return new Random(hash(`${label}:${this.int(0x7fffffff)}`));
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}
