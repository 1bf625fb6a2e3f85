/**
 * Two outputs about the same devices, joined by when something came: the rarer a moment at which both have something, the
 * more it says. Moments are times told, coarse and fine, and the place in the order of arrival.
 */
export interface Sighting {
  readonly name: string;
  /** Unix ms, as the output tells it. */
  readonly told: number;
  readonly n: number;
  readonly at: number;
}

const MINUTE_MS = 60_000;
const STEPS_MS = [1_000, MINUTE_MS, 5 * MINUTE_MS];
/** Arrivals within it are taken for one burst. */
const BURST_MS = 1_000;

export type Moments = ReadonlyMap<string, ReadonlySet<string>>;

/** By name, each moment as a text that the other output has as well. */
export function momentsOf(sightings: readonly Sighting[]): Moments {
  const moments = new Map<string, Set<string>>();
  const add = (name: string, moment: string) => {
    const known = moments.get(name);
    if (known === undefined) moments.set(name, new Set([moment]));
    else known.add(moment);
  };
  let burst = 0;
  let position = 0;
  for (const { name, told, at } of sightings.toSorted((left, right) => left.n - right.n)) {
    if (at - burst > BURST_MS) {
      burst = at;
      position = 0;
    }
    for (const step of STEPS_MS) add(name, `${step} ${Math.floor(told / step)}`);
    add(name, `arrived ${Math.floor(at / MINUTE_MS)}`);
    add(name, `arrived ${Math.floor(at / MINUTE_MS)} as number ${position}`);
    position += 1;
  }
  return moments;
}

/** Scores pairs of names by the moments that both have: cosine of vectors in which a moment counts by its rarity. */
export class Coincidences {
  readonly #rarity: ReadonlyMap<string, number>;
  readonly #left: Moments;
  readonly #right: Moments;
  readonly #lengths = new Map<ReadonlySet<string>, number>();

  constructor(left: Moments, right: Moments) {
    this.#left = left;
    this.#right = right;
    const holders = new Map<string, number>();
    for (const moments of right.values())
      for (const moment of moments) holders.set(moment, (holders.get(moment) ?? 0) + 1);
    this.#rarity = new Map([...holders].map(([moment, count]) => [moment, Math.log((1 + right.size) / count)]));
  }

  score(left: string, right: string): number {
    const [one, other] = [this.#left.get(left), this.#right.get(right)];
    if (one === undefined || other === undefined) return 0;
    let sum = 0;
    for (const moment of one) if (other.has(moment)) sum += (this.#rarity.get(moment) ?? 0) ** 2;
    return sum / Math.max(1e-9, this.#length(one) * this.#length(other));
  }

  #length(moments: ReadonlySet<string>): number {
    let length = this.#lengths.get(moments);
    if (length === undefined) {
      let sum = 0;
      for (const moment of moments) sum += (this.#rarity.get(moment) ?? Math.log(1 + this.#right.size)) ** 2;
      length = Math.sqrt(sum);
      this.#lengths.set(moments, length);
    }
    return length;
  }
}
