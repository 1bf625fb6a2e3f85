/** What there is to draw and to say of an H3 cell: its corners, its middle, how large it is. */
import { cellArea, cellToBoundary, cellToLatLng, isValidCell } from "h3-js";

export interface CellArea {
  /** Degrees, three decimals: of a cell that everyone can work out, not of a place. */
  readonly center: readonly [lat: number, lon: number];
  readonly corners: readonly (readonly [lat: number, lon: number])[];
  /** To two digits. */
  readonly km2: number;
}

/** About a hundred metres: enough to draw the finest cell. */
const DECIMALS = 3;
const DIGITS = 2;

/** `undefined` for what is no cell. */
export function areaOf(cell: string): CellArea | undefined {
  if (!isValidCell(cell)) return undefined;
  return {
    center: rounded(cellToLatLng(cell)),
    corners: cellToBoundary(cell).map(rounded),
    km2: Number(cellArea(cell, "km2").toPrecision(DIGITS)),
  };
}

function rounded([lat, lon]: readonly [number, number]): readonly [lat: number, lon: number] {
  return [Number(lat.toFixed(DECIMALS)), Number(lon.toFixed(DECIMALS))];
}
