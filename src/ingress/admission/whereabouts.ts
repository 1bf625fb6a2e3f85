/**
 * Where a device is, for the forecast it gets: from its messages, as far as consent lets weather services know it, as the coarse cell
 * that they would be told. It stands with the session of the device, in memory, and ends with it.
 */
import { LOCATION, usable, type Verdict } from "../../model/consent.ts";
import type { CellId } from "../../model/ids.ts";
import type { Inbound } from "./inbound.ts";

export interface WhereaboutsPorts {
  /** `undefined` for what is no place. */
  readonly cellOf: (lat: number, lon: number) => CellId | undefined;
  /** A device is in a cell in which it was not before. */
  readonly moved: () => void;
}

/** Takes what a message says of it, once consent is known. */
export function noteWhereabouts(inbound: Inbound, verdict: Verdict | undefined, ports: WhereaboutsPorts): void {
  const { publisher, location, at } = inbound;
  if (location === undefined) return;
  const { place: before } = publisher;
  if (verdict === undefined || verdict.refusal !== undefined || usable(verdict.grants, "weather", LOCATION) === 0) {
    publisher.place = undefined;
    return;
  }
  const { revision } = verdict;
  if (before !== undefined && before.at > at) return;
  const cell = ports.cellOf(location.lat, location.lon);
  if (cell === undefined) return;
  if (before?.cell === cell) {
    before.revision = revision;
    before.at = at;
    return;
  }
  publisher.place = { cell, revision, at, told: before?.told, asks: true };
  ports.moved();
}
