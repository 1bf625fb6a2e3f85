/**
 * The inner circle of an H3 cell. Most messages of a device come from where the one before came from: a point
 * inside the circle is in the cell, which is known at a tenth of what asking H3 costs. Outside of it nothing is known.
 */
import { cellToBoundary, cellToLatLng } from "h3-js";
import { cross, dot, vector } from "./sphere.ts";

/** The circle ends this far before the nearest edge, so that rounding cannot put a neighbour's point into it. */
const SHARE_OF_INRADIUS = 0.98;
const RADIANS = Math.PI / 180;

export class CellCore {
  readonly #x: number;
  readonly #y: number;
  readonly #z: number;
  /** Cosine of the angular radius. */
  readonly #cosine: number;

  constructor(cell: string) {
    const center = vector(...cellToLatLng(cell));
    [this.#x, this.#y, this.#z] = center;
    const corners = cellToBoundary(cell).map(([lat, lon]) => vector(lat, lon));
    // Edges of H3 cells are great circles: H3 draws them straight in a gnomonic projection.
    const nearest = corners.reduce((least, corner, index) => {
      const normal = cross(corner, corners[(index + 1) % corners.length] ?? corner);
      const sine = Math.abs(dot(normal, center)) / Math.hypot(...normal);
      return Math.min(least, Math.asin(Math.min(1, sine)));
    }, Math.PI);
    this.#cosine = Math.cos(nearest * SHARE_OF_INRADIUS);
  }

  /** True only for points of the cell; WGS 84 degrees. Makes no object, because it runs for every message. */
  holds(latDegrees: number, lonDegrees: number): boolean {
    const lat = latDegrees * RADIANS;
    const lon = lonDegrees * RADIANS;
    const across = Math.cos(lat);
    return across * Math.cos(lon) * this.#x + across * Math.sin(lon) * this.#y + Math.sin(lat) * this.#z > this.#cosine;
  }
}
