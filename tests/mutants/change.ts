/** One change of the table, made to the text of its file. */
import type { Place } from "./places.ts";

/** Throws when the place cannot be found, or not without doubt: the table must follow the source. */
export function changed(source: string, { breaks, file, from, to }: Place): string {
  const at = source.indexOf(from);
  if (at === -1) throw new Error(`"${breaks}": no such place in ${file}`);
  if (source.indexOf(from, at + 1) !== -1) throw new Error(`"${breaks}": more than one such place in ${file}`);
  return source.slice(0, at) + to + source.slice(at + from.length);
}
