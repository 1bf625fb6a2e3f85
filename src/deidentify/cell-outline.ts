/**
 * How far a point lies from an H3 cell. Works on the unit sphere instead of on degrees, so that
 * neither a pole nor the antimeridian is a special case.
 */
import { cellToBoundary, cellToLatLng } from "h3-js";
import { LRUCache } from "lru-cache";

type Vector = readonly [x: number, y: number, z: number];

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

function vector(latDegrees: number, lonDegrees: number): Vector {
  const lat = (latDegrees * Math.PI) / 180;
  const lon = (lonDegrees * Math.PI) / 180;
  return [Math.cos(lat) * Math.cos(lon), Math.cos(lat) * Math.sin(lon), Math.sin(lat)];
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

function minus(a: Vector, b: Vector): Vector {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function distance(a: Vector, b: Vector): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}
