/**
 * Coordinates become one coarse H3 cell: never finer than resolution 6, coarser where few people
 * live, and steady. Noise at a border does not make a device hop between two cells, because the hops
 * would say more about where it is than either cell does.
 */
import { cellToLatLng, cellToParent, getResolution, isValidCell, latLngToCell } from "h3-js";
import type { LRUCache } from "lru-cache";
import type { CellId, Pseudonym } from "../model/ids.ts";
import { boundedCache } from "../platform/bounded-cache.ts";
import { CellCore } from "./cell-core.ts";
import { CellOutlines } from "./cell-outline.ts";

/** How coarse places inside a cell must be. */
export interface DensityRow {
  /** H3 index of resolution 0 to 6. */
  readonly cell: string;
  /** Resolution to report inside it, 0 to 6. */
  readonly resolution: number;
}

export interface LocationOptions {
  /** Finest resolution ever reported, 0 to 6. */
  readonly finestResolution: number;
  /** Resolution for places the density table does not name: the coarsest the operator wants. */
  readonly defaultResolution: number;
  readonly densities: readonly DensityRow[];
  /** How far outside its cell a device may seem to be before it counts as moved; share of the cell's radius, 0 to 0.5. */
  readonly stickiness: number;
  /** Devices whose current cell is remembered; the longest unseen are forgotten first. */
  readonly maxDevices: number;
}

/** One coarse place; the same object for every message from it. */
export interface Place {
  readonly cell: CellId;
  readonly resolution: number;
  /** Centre of the cell, not of the device; 4 decimals. */
  readonly center: { readonly lat: number; readonly lon: number };
}

const FINEST_RESOLUTION = 6;
const MAX_REMEMBERED_PLACES = 65_536;

/** A cell of the finest resolution and the place that all its points share. */
interface FineCell {
  readonly place: Place;
  readonly core: CellCore;
}

/** Where a device is now, as far as this process knows. Memory only, and never a coordinate. */
interface Current {
  place: Place;
  /** Where it was when H3 was last asked about it; inside of it there is no need to ask. */
  fine: FineCell;
  /** By which the place was chosen: under another one a device does not stay in it. */
  table: ReadonlyMap<string, number>;
  /** Unix ms of the newest message that told it. */
  at: number;
}

export interface Located {
  readonly place: Place;
  /** False when a newer message has already told where the device is: then this place must not be stored. */
  readonly newest: boolean;
}

export class Locations {
  readonly #options: LocationOptions;
  #densities: ReadonlyMap<string, number> = new Map();
  readonly #fineCells = boundedCache<string, FineCell>(MAX_REMEMBERED_PLACES);
  readonly #places = boundedCache<string, Place>(MAX_REMEMBERED_PLACES);
  readonly #current: LRUCache<Pseudonym, Current>;
  readonly #outlines = new CellOutlines();

  constructor(options: LocationOptions) {
    this.#options = options;
    this.#current = boundedCache(options.maxDevices);
    this.useDensities(options.densities);
  }

  /** From the next place on; whether the table is another one. Where devices are is chosen by it as they say it again. */
  useDensities(rows: readonly DensityRow[]): boolean {
    const table = new Map(rows.map((row) => [row.cell, row.resolution]));
    const same =
      table.size === this.#densities.size && rows.every(({ cell }) => table.get(cell) === this.#densities.get(cell));
    if (same) return false;
    this.#densities = table;
    this.#fineCells.clear();
    return true;
  }

  /**
   * The place of a device that said at `at` (Unix ms) to be at these WGS 84 degrees.
   * `undefined` when they are no place.
   * A repeated message gives the same answer.
   */
  locate(device: Pseudonym, lat: number, lon: number, at: number): Located | undefined {
    if (!isPlace(lat, lon)) return undefined;
    const current = this.#current.get(device);
    if (current === undefined) {
      const fine = this.#fineCellOf(lat, lon);
      this.#current.set(device, { place: fine.place, fine, table: this.#densities, at });
      return { place: fine.place, newest: true };
    }
    const otherTable = current.table !== this.#densities;
    if (otherTable || !current.fine.core.holds(lat, lon)) current.fine = this.#fineCellOf(lat, lon);
    const here = current.fine.place;
    const stays = here === current.place || (!otherTable && this.#stillIn(current.place, lat, lon));
    const place = stays ? current.place : here;
    current.table = this.#densities;
    if (otherTable) current.place = place;
    if (at < current.at) return { place, newest: false };
    current.place = place;
    current.at = at;
    return { place, newest: true };
  }

  /** Drops where these devices are; erasure calls it. */
  forget(devices: Iterable<Pseudonym>): void {
    for (const device of devices) this.#current.delete(device);
  }

  /** The coarse place of a point, whatever device asks. */
  placeOf(lat: number, lon: number): Place {
    return this.#fineCellOf(lat, lon).place;
  }

  #fineCellOf(lat: number, lon: number): FineCell {
    const cell = latLngToCell(lat, lon, Math.min(this.#options.finestResolution, FINEST_RESOLUTION));
    let fine = this.#fineCells.get(cell);
    if (fine === undefined) {
      fine = { place: this.#coarsened(cell), core: new CellCore(cell) };
      this.#fineCells.set(cell, fine);
    }
    return fine;
  }

  #coarsened(fine: string): Place {
    const cell = cellToParent(fine, this.#resolutionFor(fine));
    // All points of one coarse cell must share one object, so that places compare by identity.
    let place = this.#places.get(cell);
    if (place === undefined) {
      place = describe(cell);
      this.#places.set(cell, place);
    }
    return place;
  }

  #resolutionFor(fine: string): number {
    const finest = getResolution(fine);
    for (let around = finest; around >= 0; around -= 1) {
      const resolution = this.#densities.get(cellToParent(fine, around));
      if (resolution !== undefined) return Math.min(resolution, finest);
    }
    return Math.min(this.#options.defaultResolution, finest);
  }

  #stillIn(place: Place, lat: number, lon: number): boolean {
    return this.#outlines.reaches(place.cell, lat, lon, this.#options.stickiness);
  }
}

/** Whether these are coordinates, and not both 0: receivers say that as long as they know no place. */
export function isPlace(lat: number, lon: number): boolean {
  return lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180 && (lat !== 0 || lon !== 0);
}

/** Problems of a density table as `row: reason`; empty when it can be used. */
export function checkDensities(rows: readonly DensityRow[]): string[] {
  return rows.flatMap((row, index) => {
    if (!isValidCell(row.cell)) return [`${index}: not an H3 cell`];
    if (getResolution(row.cell) > FINEST_RESOLUTION)
      return [`${index}: cell must have resolution 0 to ${FINEST_RESOLUTION}`];
    const fits = Number.isInteger(row.resolution) && row.resolution >= 0 && row.resolution <= FINEST_RESOLUTION;
    return fits ? [] : [`${index}: resolution must be 0 to ${FINEST_RESOLUTION}`];
  });
}

/** Middle of a cell, to four decimals; `undefined` for what is no cell. */
export function centerOf(cell: string): Place["center"] | undefined {
  return isValidCell(cell) ? describe(cell).center : undefined;
}

function describe(cell: string): Place {
  const [lat, lon] = cellToLatLng(cell);
  return {
    cell: cell as CellId,
    resolution: getResolution(cell),
    center: { lat: Math.round(lat * 1e4) / 1e4, lon: Math.round(lon * 1e4) / 1e4 },
  };
}
