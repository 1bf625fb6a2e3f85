/**
 * Which names are silent, and whether that is a line rather than a device. A name is told once an hour; one that was not told for longer is
 * silent. When no name at all was told meanwhile it is the gateway that is silent, and nothing is concluded.
 */
import { BoundedMap } from "./bounded-map.ts";

export interface SilenceOptions {
  readonly silentAfterMs: number;
  /** Of fewer names of one prefix nothing is concluded about the line. */
  readonly fewestOfPrefix: number;
  /** Of the names of a prefix, from 0 to 1. */
  readonly shareOfPrefix: number;
  readonly maxNames: number;
}

export interface Finding {
  readonly name: string;
  readonly type: "unreachable" | "outage";
  /** When it was told last; of an outage, the hour in which the first of them was. Unix ms. */
  readonly since: number;
  readonly prefix: string | undefined;
}

interface Known {
  readonly prefix: string | undefined;
  readonly at: number;
  /** What was found of it since it was heard last, or of its line since that is out. */
  found: Finding["type"] | undefined;
}

const HOUR_MS = 3_600_000;
/** A name that stays silent for so many times the limit is not counted any more: perhaps it was taken back. */
const GIVEN_UP = 24;

export class Silence {
  readonly #options: SilenceOptions;
  readonly #names: BoundedMap<string, Known>;
  readonly #out = new Set<string>();
  #lastAt = 0;

  constructor(options: SilenceOptions) {
    this.#options = options;
    this.#names = new BoundedMap(options.maxNames);
  }

  get size(): number {
    return this.#names.size;
  }

  get linesOut(): number {
    return this.#out.size;
  }

  heard(name: string, prefix: string | undefined, now: number): void {
    const before = this.#names.get(name);
    // That its line is out it has been told already.
    const found = before?.found === "outage" && prefix !== undefined && this.#out.has(prefix) ? "outage" : undefined;
    this.#names.set(name, { prefix, at: now, found });
    this.#lastAt = Math.max(this.#lastAt, now);
  }

  /** What is new since it was asked last, at most `most`. `since`: from when on everything was heard. */
  findings(now: number, since: number, most: number): Finding[] {
    const { silentAfterMs } = this.#options;
    if (now - Math.max(this.#lastAt, since) >= silentAfterMs || now - since < silentAfterMs) return [];
    const isSilent = ({ at }: Known): boolean => now - Math.max(at, since) >= silentAfterMs;
    const outages = this.#outages(isSilent, now);
    const found: Finding[] = [];
    for (const [name, known] of this.#names.entries()) {
      if (found.length === most) break;
      const { prefix, at } = known;
      const begun = prefix === undefined ? undefined : outages.get(prefix);
      const type = isSilent(known) ? "unreachable" : begun === undefined ? undefined : "outage";
      if (type === undefined) known.found = undefined;
      if (type === undefined || known.found === type) continue;
      known.found = type;
      found.push({ name, type, since: type === "outage" && begun !== undefined ? begun : at, prefix });
    }
    return found;
  }

  forget(name: string): void {
    this.#names.delete(name);
  }

  clear(): void {
    this.#names.clear();
    this.#out.clear();
  }

  /** Prefixes of which so many names are silent, each with the hour in which the first of them was told last. */
  #outages(isSilent: (known: Known) => boolean, now: number): ReadonlyMap<string, number> {
    const { silentAfterMs, fewestOfPrefix, shareOfPrefix } = this.#options;
    const prefixes = new Map<string, { all: number; silent: number; first: number }>();
    for (const [name, known] of [...this.#names.entries()]) {
      if (now - known.at >= GIVEN_UP * silentAfterMs) this.#names.delete(name);
      else if (known.prefix !== undefined) {
        const one = prefixes.get(known.prefix) ?? { all: 0, silent: 0, first: now };
        const silent = isSilent(known);
        prefixes.set(known.prefix, {
          all: one.all + 1,
          silent: one.silent + (silent ? 1 : 0),
          first: silent ? Math.min(one.first, known.at) : one.first,
        });
      }
    }
    const out = [...prefixes].filter(([, { all, silent }]) => all >= fewestOfPrefix && silent / all >= shareOfPrefix);
    this.#out.clear();
    for (const [prefix] of out) this.#out.add(prefix);
    return new Map(out.map(([prefix, { first }]) => [prefix, first - (first % HOUR_MS)]));
  }
}
