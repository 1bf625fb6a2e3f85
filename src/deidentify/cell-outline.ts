/** How far a point lies from an H3 cell. */
import { cellToBoundary, cellToLatLng } from "h3-js";
import { LRUCache } from "lru-cache";
import { cross, distance, dot, minus, type Vector, vector } from "./sphere.ts";

interface Outline {
  readonly corners: readonly Vector[];
  readonly center: Vector;
  /** Mean distance from the centre to a corner; chord on the unit sphere. */
  readonly radius: number;
}

const MAX_REMEMBERED_OUTLINES = 8192;

export class CellOutlines {
  readonly #outlines = new LRUCache<string, Outline>({ max: MAX_REMEMBERED_OUTLINES });

  /** Whether the point lies in the cell or no further outside it than `share` of the cell's radius. */
  reaches(cell: string, lat: number, lon: number, share: number): boolean {
    const outline = this.#outlineOf(cell);
    const point = vector(lat, lon);
    // Cheap answer for a device that is far away, and the guard that keeps the far side of the globe out.
    if (distance(point, outline.center) > 2 * outline.radius) return false;
    return inside(outline, point) || distanceToOutline(outline, point) <= share * outline.radius;
  }

  #outlineOf(cell: string): Outline {
    let outline = this.#outlines.get(cell);
    if (outline === undefined) {
      const corners = cellToBoundary(cell).map(([lat, lon]) => vector(lat, lon));
      const center = vector(...cellToLatLng(cell));
      const radius = corners.reduce((sum, corner) => sum + distance(center, corner), 0) / corners.length;
      outline = { corners, center, radius };
      this.#outlines.set(cell, outline);
    }
    return outline;
  }
}

/** On the same side of every edge as the centre; cells are convex. */
function inside(outline: Outline, point: Vector): boolean {
  return outline.corners.every((corner, index) => {
    const normal = cross(corner, next(outline, index));
    return dot(normal, point) * dot(normal, outline.center) >= 0;
  });
}

/** Straight chords between corners stand for the edges: at resolution 2 that errs by less than a thousandth of the radius. */
function distanceToOutline(outline: Outline, point: Vector): number {
  let nearest = Number.POSITIVE_INFINITY;
  for (const [index, from] of outline.corners.entries()) {
    nearest = Math.min(nearest, distanceToSegment(point, from, next(outline, index)));
  }
  return nearest;
}

function distanceToSegment(point: Vector, from: Vector, to: Vector): number {
  const along = minus(to, from);
  const share = Math.max(0, Math.min(1, dot(minus(point, from), along) / dot(along, along)));
  const foot: Vector = [from[0] + share * along[0], from[1] + share * along[1], from[2] + share * along[2]];
  return distance(point, foot);
}

function next(outline: Outline, index: number): Vector {
  return outline.corners[(index + 1) % outline.corners.length] ?? outline.center;
}
