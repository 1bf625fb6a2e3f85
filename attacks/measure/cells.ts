/** In which cell a place is, as the gateway works it out: from the finest cell up, whose parents do not quite cover it. */
import { cellToParent, getResolution, isValidCell, latLngToCell } from "h3-js";

const FINEST = 6;

export function cellOf(lat: number, lon: number, resolution: number): string {
  return cellToParent(latLngToCell(lat, lon, FINEST), Math.min(resolution, FINEST));
}

export function holds(cell: string, lat: number, lon: number): boolean {
  return isValidCell(cell) && cellOf(lat, lon, getResolution(cell)) === cell;
}
