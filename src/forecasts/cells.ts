/** Cells as forecasts know them: which may be forecast at all, and which lie above a place. Pure. */
import { cellToParent, getResolution, isValidCell } from "h3-js";
import type { CellId } from "../model/ids.ts";

/** No place is known more exactly, and no service is told of a finer cell. */
const FINEST_RESOLUTION = 6;
/**
 * Cells of this resolution and coarser may be forecast by every weather service at any time: there are 6,846 of them, the same for
 * every fleet in the world, so that they may be says nothing of this one.
 */
export const OPEN_RESOLUTION = 2;

const WRITTEN = /^8[0-9a-f]{14}$/;

/** `undefined` for what is no cell, written in another way than services are told it, or finer than any of those. */
export function forecastCell(text: string): CellId | undefined {
  return WRITTEN.test(text) && isValidCell(text) && getResolution(text) <= FINEST_RESOLUTION
    ? (text as CellId)
    : undefined;
}

export function isOpen(cell: CellId): boolean {
  return getResolution(cell) <= OPEN_RESOLUTION;
}

/** The cell itself and those that it lies in, finest first: in this order they count for a device that is there. */
export function cellsOver(place: CellId): readonly CellId[] {
  const finest = getResolution(place);
  return Array.from({ length: finest + 1 }, (_, up) => cellToParent(place, finest - up) as CellId);
}
