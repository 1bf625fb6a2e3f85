/** Combines legal holds for an erasure. Pure. */
import type { LegalHold } from "../../model/consent-record.ts";
import type { StandingHold } from "./ports.ts";

/** Stands until the last of them ends; covers all devices if one of them does. `undefined`: there is none. */
export function standingHoldOf(holds: readonly LegalHold[]): StandingHold | undefined {
  if (holds.length === 0) return undefined;
  const until = Math.max(...holds.map((one) => one.until));
  const all = holds.some(({ devices }) => devices === undefined);
  return all ? { until } : { until, devices: new Set(holds.flatMap(({ devices }) => devices ?? [])) };
}
