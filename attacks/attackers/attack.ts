/** What an attack is, and what it found. */
import type { View } from "../recording/view.ts";

export interface Found {
  readonly hits: number;
  readonly trials: number;
  /** What someone gets right who guesses. */
  readonly control: number;
  /** Instead of hits out of trials, where the figure is another one. */
  readonly measured?: { readonly rate: number; readonly low: number; readonly high: number };
  /** For readers: the figure by class of attacker, by size, and what else there is to say. */
  readonly detail?: Readonly<Record<string, number | boolean | string>>;
}

export interface Attack {
  readonly name: string;
  readonly what: string;
  /** Highest rate that is allowed; `control`: no more than by guessing; `none`: it is told, and nothing is promised. */
  readonly goal: number | "control" | "none";
  run(view: View): Found;
}

/** Of equal ones a random one: the order of the candidates must tell nothing. */
export function bestOf<T>(candidates: Iterable<T>, score: (candidate: T) => number, next: () => number): T | undefined {
  let best: T | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  let equal = 0;
  for (const candidate of candidates) {
    const value = score(candidate);
    if (value > bestScore) {
      best = candidate;
      bestScore = value;
      equal = 1;
    } else if (value === bestScore) {
      equal += 1;
      if (next() < 1 / equal) best = candidate;
    }
  }
  return best;
}

export function grouped<T>(items: Iterable<T>, keyOf: (item: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
