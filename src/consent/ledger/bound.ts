/**
 * Every change reads the whole ledger, so a ledger cannot grow without limit. Past the limit no event is added that
 * lets a device do more; a withdrawal is still recorded as long as something is left to withdraw.
 */
import type { ConsentEvent } from "../../model/consent-record.ts";

/** One change per day for thirteen years; a few megabytes. */
export const WIDENING_LIMIT = 5_000;

type Type = ConsentEvent["type"];
const WIDENING: ReadonlySet<Type> = new Set(["given", "reconfirmed", "bound"]);
const SAID_AGAIN: ReadonlySet<Type> = new Set(["withdrawn", "refused"]);

/** `nothing`: a repetition that changes nothing is not recorded. */
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
