/** Which options of two configurations differ, by name alone: which of them are secrets makes no difference here. */
import { isDeepStrictEqual } from "node:util";
import { optionRows } from "./options.ts";
import type { Config } from "./schema.ts";
import { at, type Tree } from "./tree.ts";

/** In force without a restart. What the files say that some of them name may change under the same name as well. */
export const LIVE_OPTIONS = [
  "observe.logLevel",
  "mqtt.tls.certFile",
  "mqtt.tls.keyFile",
  "deidentify.location.densityFile",
  "properties",
  "dialects",
] as const;
export type LiveOption = (typeof LIVE_OPTIONS)[number];

const LIVE: ReadonlySet<string> = new Set(LIVE_OPTIONS);

/** Options that differ and need a restart, in the order of the documentation. */
export function needRestart(running: Config, next: Config): string[] {
  return optionRows()
    .filter(({ path }) => !LIVE.has(path.join(".")))
    .filter(({ path }) => !isDeepStrictEqual(at(running as unknown as Tree, path), at(next as unknown as Tree, path)))
    .map(({ path }) => path.join("."));
}
