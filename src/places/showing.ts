/** What a person is shown of the place of one device: what is noted of it, and what the store holds. Pure. */
import type { CellId } from "../model/ids.ts";
import type { PlaceRecord, PlaceState } from "../model/place.ts";
import { isRecent } from "./crowd.ts";

export interface ShownClock {
  /** Unix ms. */
  readonly now: number;
  readonly stepMs: number;
  /** Rows whose epoch began earlier are gone. */
  readonly keepMs: number;
}

export interface ShownPlace {
  readonly state: PlaceState;
  /** As fine as the table of densities allows; sealed, and told to no one. */
  readonly noted?: CellId;
  /** What the store holds of the newest epoch in which anything was told. */
  readonly stored?: CellId;
}

/** A new place is told at the next step, a changed one at the one after it; then a gateway has had its time to write it. */
const STEPS_UNTIL_TOLD = 2;

export function shownPlaceOf(record: PlaceRecord | undefined, { now, stepMs, keepMs }: ShownClock): ShownPlace {
  if (record === undefined) return { state: "none" };
  const { cell: noted, at, since, told } = record;
  if (told !== undefined && told.epochStart >= now - keepMs) return { state: "stored", noted, stored: told.as };
  if (!isRecent(at, now)) return { state: "silent", noted };
  const waits = now < since + STEPS_UNTIL_TOLD * stepMs;
  return { state: waits ? "waits" : "too-few", noted };
}
