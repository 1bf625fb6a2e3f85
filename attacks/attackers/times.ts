/**
 * Two outputs about the same devices, joined by when something came: the rarer a moment at which both have something, the
 * more it says. Moments are times told, coarse and fine, the place in the order of arrival, and what was said.
 */
export interface Sighting {
  readonly name: string;
  /** Unix ms, as the output tells it. */
  readonly told: number;
  readonly n: number;
  readonly at: number;
  /** In words that the other output has as well. */
  readonly said?: readonly string[];
}

export interface Seeing {
  /** The finest step of times told that both have; nothing finer is looked at. Milliseconds. */
  readonly toldStepMs: number;
  /** Also when and in which order it came. */
  readonly arrivals: boolean;
}

export const EVERYTHING: Seeing = { toldStepMs: 1, arrivals: true };

const MINUTE_MS = 60_000;
const STEPS_MS = [1_000, MINUTE_MS, 5 * MINUTE_MS];
/** Arrivals within it are taken for one burst. */
const BURST_MS = 1_000;

export type Moments = ReadonlyMap<string, ReadonlySet<string>>;

/** By name, each moment as a text that the other output has as well. */
export function momentsOf(sightings: readonly Sighting[], { toldStepMs, arrivals } = EVERYTHING): Moments {
  const steps = [...new Set([toldStepMs, ...STEPS_MS.filter((step) => step > toldStepMs)])];
  const moments = new Map<string, Set<string>>();
  const add = (name: string, moment: string) => {
    const known = moments.get(name);
    if (known === undefined) moments.set(name, new Set([moment]));
    else known.add(moment);
  };
  let burst = 0;
  let position = 0;
  const said = new Map<string, Map<string, number>>();
  for (const { name, told, at, said: words = [] } of sightings.toSorted((left, right) => left.n - right.n)) {
    if (at - burst > BURST_MS) {
      burst = at;
      position = 0;
    }
    for (const step of steps) add(name, `${step} ${Math.floor(told / step)}`);
    if (arrivals) {
      add(name, `arrived ${Math.floor(at / MINUTE_MS)}`);
      add(name, `arrived ${Math.floor(at / MINUTE_MS)} as number ${position}`);
    }
    position += 1;
    const counts = said.get(name) ?? new Map<string, number>();
    said.set(name, counts);
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  for (const [name, counts] of said) {
    const all = [...counts].map(([word, times]) => `${word} ${times} times`).sort();
    for (const one of [...counts.keys(), ...all]) add(name, `said ${one}`);
    if (all.length > 0) add(name, `said all of ${all.join(", ")}`);
  }
  return moments;
}

/** Scores pairs of names by the moments that both have: cosine of vectors in which a moment counts by its rarity. */
export class Coincidences {
  readonly #left: Moments;
  readonly #rightCount: number;
  /** Of each moment those of the right who have it, by their index. */
  readonly #holders = new Map<string, number[]>();
  readonly #rightNames: readonly string[];
  readonly #rightLengths: Float64Array;
  readonly #scores = new Map<string, Float64Array>();

  constructor(left: Moments, right: Moments) {
    this.#left = left;
    this.#rightCount = right.size;
    this.#rightNames = [...right.keys()];
    for (const [index, moments] of [...right.values()].entries()) {
      for (const moment of moments) {
        const known = this.#holders.get(moment);
        if (known === undefined) this.#holders.set(moment, [index]);
        else known.push(index);
      }
    }
    this.#rightLengths = Float64Array.from(right.values(), (moments) => this.#lengthOf(moments));
  }

  /** Of one name of the left with every one of the right, in the order of `names`. */
  scores(left: string): Float64Array {
    let scores = this.#scores.get(left);
    if (scores === undefined) {
      scores = this.#scored(this.#left.get(left) ?? new Set());
      this.#scores.set(left, scores);
    }
    return scores;
  }

  get names(): readonly string[] {
    return this.#rightNames;
  }

  #scored(moments: ReadonlySet<string>): Float64Array {
    const scores = new Float64Array(this.#rightCount);
    for (const moment of moments) {
      const worth = this.#rarity(moment) ** 2;
      for (const index of this.#holders.get(moment) ?? []) scores[index] = (scores[index] ?? 0) + worth;
    }
    const length = this.#lengthOf(moments);
    return scores.map((score, index) => (score === 0 ? 0 : score / (length * (this.#rightLengths[index] ?? 1))));
  }

  #rarity(moment: string): number {
    return Math.log((1 + this.#rightCount) / Math.max(1, this.#holders.get(moment)?.length ?? 0));
  }

  #lengthOf(moments: ReadonlySet<string>): number {
    let sum = 0;
    for (const moment of moments) sum += this.#rarity(moment) ** 2;
    return Math.sqrt(sum);
  }
}
