/**
 * A ledger is read as a whole with every change, so it cannot grow for ever. Past the limit nothing is added
 * that lets a device do more; what takes away is taken down for as long as there is something to take.
 */
import type { ConsentEvent } from "../../model/consent-record.ts";

/** A change of mind every day for thirteen years; some megabytes. */
export const WIDENING_LIMIT = 5_000;

type Type = ConsentEvent["type"];
const WIDENING: ReadonlySet<Type> = new Set(["given", "reconfirmed", "bound"]);
const SAID_AGAIN: ReadonlySet<Type> = new Set(["withdrawn", "refused"]);

/** `nothing`: saying it once more changes nothing, and is not written down. */
export function roomFor(
  type: Type,
  length: number,
  takesAway: boolean,
  limit = WIDENING_LIMIT,
): "append" | "nothing" | "full" {
  if (length < limit) return "append";
  if (WIDENING.has(type) || (type === "requested" && !takesAway)) return "full";
  return !takesAway && SAID_AGAIN.has(type) ? "nothing" : "append";
}
