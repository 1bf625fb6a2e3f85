/**
 * Whether a list of properties only adds to another. Then whatever was admitted under the old one means the same under the new one,
 * and both may be in use at the same time, in the queue or on another gateway.
 */
import type { PropertyRow } from "./row.ts";

/** `changed`: one is gone, or one is another than before. Their order says nothing. */
export function growthOf(before: readonly PropertyRow[], after: readonly PropertyRow[]): "same" | "added" | "changed" {
  const known = new Set(after.map(textOf));
  if (before.some((row) => !known.has(textOf(row)))) return "changed";
  return after.length > before.length ? "added" : "same";
}

/** The same for rows that say the same, in whatever order their columns are written. */
function textOf(row: PropertyRow): string {
  return JSON.stringify(Object.entries(row).sort(([left], [right]) => (left < right ? -1 : 1)));
}
