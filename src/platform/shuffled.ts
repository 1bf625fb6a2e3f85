/** Random order (Fisher and Yates), by the generator of Node that no one can predict. */
import { randomInt } from "node:crypto";

export function shuffled<T>(items: readonly T[]): T[] {
  const all = [...items];
  for (let at = all.length - 1; at > 0; at -= 1) {
    const other = randomInt(at + 1);
    [all[at], all[other]] = [all[other] as T, all[at] as T];
  }
  return all;
}
