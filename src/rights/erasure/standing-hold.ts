/** Legal holds taken together, as an erasure has to respect them. Pure. */
import type { LegalHold } from "../../model/consent-record.ts";
import type { StandingHold } from "./ports.ts";

/** Until the last of them ends; of all devices as soon as one of them covers all. `undefined`: none stands. */
export function standingHoldOf(holds: readonly LegalHold[]): StandingHold | undefined {
  if (holds.length === 0) return undefined;
  const until = Math.max(...holds.map((one) => one.until));
  const all = holds.some(({ devices }) => devices === undefined);
  return all ? { until } : { until, devices: new Set(holds.flatMap(({ devices }) => devices ?? [])) };
}
