/** What a step does with one record: write a place, take one out, or leave things as they are. Pure. */
import { createHmac } from "node:crypto";
import { getResolution } from "h3-js";
import type { CellId, DeviceKey } from "../model/ids.ts";
import type { PlaceRecord, ToldPlace } from "../model/place.ts";
import { isRecent } from "./crowd.ts";
import { dayOf } from "./record.ts";

export interface Step {
  /** The begin of this step; steps are counted from the begin of Unix time. */
  readonly number: number;
  readonly stepMs: number;
  /** Unix ms. */
  readonly now: number;
  readonly epochMs: number;
}

export type Telling =
  | { readonly act: "nothing"; readonly waits: boolean }
  | { readonly act: "write"; readonly told: ToldPlace; readonly resolution: number }
  | { readonly act: "remove"; readonly epochStart: number };

/** The first place of an epoch is told at the next step, another one when it has been the newest through a whole step, or more. */
const FIRST = 1;
const CHANGED = 2;
/**
 * Steps that another place may wait beyond that. With none of them, who knows on which way someone walks would know how far they
 * have come when it is told, to the length of one step.
 */
export const MOST_LATER = 2;

/** How many more steps the place waits that a device has had since then, from 0 to `MOST_LATER`: always the same, and known to no one without the key. */
export function laterBy(key: Buffer, device: DeviceKey, since: number): number {
  const drawn = createHmac("sha256", key).update(`steps of a place\0${since}\0${device}`).digest().readUIntBE(0, 6);
  return drawn % (MOST_LATER + 1);
}

/** `later`: see `laterBy`. */
export function tellingOf(
  { cell, at, since, revision, told }: PlaceRecord,
  tellable: ReadonlyMap<CellId, CellId>,
  { number, stepMs, now, epochMs }: Step,
  later: (since: number) => number = () => 0,
): Telling {
  // A device that is silent for longer may have left: what was told then stands.
  if (!isRecent(at, now)) return { act: "nothing", waits: false };
  const epochStart = Math.floor(at / epochMs) * epochMs;
  const standing = told?.epochStart === epochStart ? told : undefined;
  const moved = standing === undefined || standing.cell !== cell;
  // In a new epoch also who has long been there counts as new: written at its very begin, the rows of both measurements
  // would begin together.
  // A begin that is still to come is one of a clock that was ahead: nothing waits for that day.
  const begun = since > now + stepMs ? 0 : since;
  const seenIn = Math.floor(Math.max(begun, standing === undefined ? epochStart : 0) / stepMs);
  const held = number - seenIn >= (standing === undefined ? FIRST : CHANGED + (moved ? later(since) : 0));
  const place = moved && held ? { cell, revision } : standing;
  if (place === undefined) return { act: "nothing", waits: true };
  const here = place.cell;
  const as = tellable.get(here);
  if (as === undefined) {
    return standing === undefined ? { act: "nothing", waits: true } : { act: "remove", epochStart };
  }
  // Once a day again, in case the store has lost it.
  const written = standing?.as === as && standing.cell === here && dayOf(standing.writtenAt) === dayOf(now);
  if (written) return { act: "nothing", waits: moved && !held };
  return {
    act: "write",
    told: { cell: here, as, epochStart, writtenAt: now, revision: place.revision },
    resolution: getResolution(as),
  };
}
