/** Wires what gives memory back at rest. */
import { type Part, partOf } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import { RestCollection } from "../platform/rest-collection.ts";
import type { Base } from "./base.ts";

const LOOK_EVERY_MS = 10_000;

/** Without the flag `--expose-gc` of Node there is nothing to collect with, and V8 does what it does. */
export function memoryPart({ metrics, log }: Pick<Base, "metrics" | "log">): Part {
  const rest = new RestCollection({
    received: () => metrics.books().received,
    heapUsedBytes: () => process.memoryUsage().heapUsed,
    collect: () => globalThis.gc?.(),
  });
  return partOf("memory", new Periodic([{ name: "memory", everyMs: LOOK_EVERY_MS, run: () => rest.look() }], log));
}
