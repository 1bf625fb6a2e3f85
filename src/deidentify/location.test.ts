import fc from "fast-check";
import { cellToBoundary, cellToLatLng, cellToParent, getResolution, gridDisk, isValidCell, latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import type { Pseudonym } from "../model/ids.ts";
import { DENSITY_TABLE, parseDensityTable } from "./density-table.ts";
import { checkDensities, type LocationOptions, Locations } from "./location.ts";

const BENGALURU = { lat: 12.9716, lon: 77.5946 };
const base: LocationOptions = {
  finestResolution: 6,
  defaultResolution: 4,
  densities: DENSITY_TABLE,
  stickiness: 0.15,
  maxDevices: 1000,
};
const device = "AAAAAAAAAAAAAAAAAAAAAA" as Pseudonym;
const latitude = fc.double({ min: -90, max: 90, noNaN: true });
const longitude = fc.double({ min: -180, max: 180, noNaN: true });

/** Coordinates `metres` north and east of a point. */
function offset(point: { lat: number; lon: number }, north: number, east: number): [lat: number, lon: number] {
  const lat = point.lat + north / 111_195;
  return [lat, point.lon + east / (111_195 * Math.cos((point.lat * Math.PI) / 180))];
}

/** A point on the border between the resolution 6 cell of Bengaluru and a neighbour. */
function onBorder(): { lat: number; lon: number } {
  const corners = cellToBoundary(latLngToCell(BENGALURU.lat, BENGALURU.lon, 6));
  const [[latA, lonA], [latB, lonB]] = [corners[0] ?? [0, 0], corners[1] ?? [0, 0]];
  return { lat: ((latA ?? 0) + (latB ?? 0)) / 2, lon: ((lonA ?? 0) + (lonB ?? 0)) / 2 };
}

describe("placeOf", () => {
  it("is an ancestor of the finest cell, as coarse as the table says, anywhere on Earth", () => {
    const locations = new Locations(base);
    const rows = new Map(DENSITY_TABLE.map((row) => [row.cell, row.resolution]));
    fc.assert(
      fc.property(latitude, longitude, (lat, lon) => {
        const { cell, resolution, center } = locations.placeOf(lat, lon);
        const fine = latLngToCell(lat, lon, 6);
        expect(resolution).toBe(rows.get(cellToParent(fine, 3)) ?? base.defaultResolution);
        expect(getResolution(cell)).toBe(resolution);
        expect(cell).toBe(cellToParent(fine, resolution));
        const [centerLat, centerLon] = cellToLatLng(cell);
        expect(center).toEqual({ lat: Math.round(centerLat * 1e4) / 1e4, lon: Math.round(centerLon * 1e4) / 1e4 });
      }),
    );
  });

  it("never gets finer than resolution 6, whatever it is told", () => {
    const greedy = new Locations({
      ...base,
      finestResolution: 9,
      defaultResolution: 9,
      densities: [{ cell: latLngToCell(BENGALURU.lat, BENGALURU.lon, 3), resolution: 12 }],
    });
    expect(greedy.placeOf(BENGALURU.lat, BENGALURU.lon).resolution).toBe(6);
    expect(greedy.placeOf(-30, 130).resolution).toBe(6);
  });

  it("reads rows of resolution 3 before rows of resolution 2", () => {
    const { lat, lon } = BENGALURU;
    const wide = { cell: latLngToCell(lat, lon, 2), resolution: 2 };
    const narrow = { cell: cellToParent(latLngToCell(lat, lon, 6), 3), resolution: 5 };
    expect(new Locations({ ...base, densities: [wide] }).placeOf(lat, lon).resolution).toBe(2);
    expect(new Locations({ ...base, densities: [wide, narrow] }).placeOf(lat, lon).resolution).toBe(5);
  });

  it("works when the finest resolution is coarser than the table's cells", () => {
    const coarse = new Locations({ ...base, finestResolution: 1 });
    expect(coarse.placeOf(BENGALURU.lat, BENGALURU.lon).resolution).toBe(1);
  });
});

describe("locate", () => {
  it("knows nothing any more of a device that was forgotten", () => {
    const locations = new Locations(base);
    expect(locations.locate(device, 12.97, 77.59, 2_000)?.newest).toBe(true);
    expect(locations.locate(device, 12.97, 77.59, 1_000)?.newest).toBe(false);
    locations.forget([device]);
    expect(locations.locate(device, 12.97, 77.59, 1_000)?.newest).toBe(true);
  });

  it("does not flap when a device at a border jitters by the error of a receiver", () => {
    const border = onBorder();
    const metres = fc.integer({ min: -250, max: 250 });
    const crossed = new Set<string>();
    const locations = new Locations(base);
    let run = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(metres, metres), { minLength: 2, maxLength: 60 }), (noise) => {
        const restless = `device ${run++}` as Pseudonym;
        const seen = noise.map(([north, east], index) => {
          const [lat, lon] = offset(border, north, east);
          crossed.add(latLngToCell(lat, lon, 6));
          return locations.locate(restless, lat, lon, 1000 + index)?.place.cell;
        });
        expect(new Set(seen).size).toBe(1);
      }),
    );
    // The noise did cross the border, or the property above says nothing.
    expect(crossed.size).toBeGreaterThan(1);
  });

  it("follows a move to the neighbouring cell, from anywhere on Earth", () => {
    const locations = new Locations({ ...base, densities: [], defaultResolution: 5, stickiness: 0.5 });
    let run = 0;
    fc.assert(
      fc.property(latitude, longitude, fc.nat(5), (lat, lon, which) => {
        const traveller = `device ${run++}` as Pseudonym;
        const from = locations.locate(traveller, lat, lon, 1)?.place.cell ?? "";
        const neighbours = gridDisk(from, 1).filter((cell) => cell !== from);
        const to = neighbours[which % neighbours.length] ?? "";
        const [toLat, toLon] = cellToLatLng(to);
        expect(locations.locate(traveller, toLat, toLon, 2)?.place.cell).toBe(to);
      }),
    );
  });

  it("stays in its cell at the poles and on the antimeridian", () => {
    const here: [number, number, number, number][] = [
      [90, 0, 90, 180],
      [-90, -180, -89.9999, 12],
      [0.2, 180, 0.2, -180],
      [10.01, 179.9999, 10.01, -179.9999],
    ];
    for (const [lat, lon, lat2, lon2] of here) {
      const locations = new Locations(base);
      const first = locations.locate(device, lat, lon, 1);
      expect(isValidCell(first?.place.cell ?? "")).toBe(true);
      expect(locations.locate(device, lat2, lon2, 2)?.place.cell).toBe(first?.place.cell);
    }
  });

  it("does not let an older message move a device back, and answers a repeated one alike", () => {
    const locations = new Locations(base);
    const [farLat, farLon] = [19.08, 72.88];
    const first = locations.locate(device, BENGALURU.lat, BENGALURU.lon, 100);
    expect(first?.newest).toBe(true);
    expect(locations.locate(device, BENGALURU.lat, BENGALURU.lon, 100)).toEqual(first);
    expect(locations.locate(device, farLat, farLon, 99)?.newest).toBe(false);
    expect(locations.locate(device, BENGALURU.lat, BENGALURU.lon, 101)?.place.cell).toBe(first?.place.cell);
    const moved = locations.locate(device, farLat, farLon, 102);
    expect(moved?.newest).toBe(true);
    expect(moved?.place.cell).not.toBe(first?.place.cell);
  });

  it("remembers no more devices than it may", () => {
    const locations = new Locations({ ...base, maxDevices: 2 });
    for (const name of ["a", "b", "c"]) locations.locate(name as Pseudonym, 10, 10, 100);
    expect(locations.locate("c" as Pseudonym, 10, 10, 50)?.newest).toBe(false);
    expect(locations.locate("a" as Pseudonym, 10, 10, 50)?.newest).toBe(true);
  });

  it.each([
    [Number.NaN, 0],
    [91, 0],
    [0, 180.1],
    [0, Number.POSITIVE_INFINITY],
  ])("%d, %d is no place", (lat, lon) => {
    expect(new Locations(base).locate(device, lat, lon, 1)).toBeUndefined();
  });
});

describe("the density table", () => {
  it("shipped with the gateway is sound and names each cell once", () => {
    expect(checkDensities(DENSITY_TABLE)).toEqual([]);
    expect(new Set(DENSITY_TABLE.map((row) => row.cell)).size).toBe(DENSITY_TABLE.length);
    expect(parseDensityTable(JSON.stringify(DENSITY_TABLE))).toEqual(DENSITY_TABLE);
  });

  it.each([
    ["{", "densityFile: not-json"],
    ["{}", "densityFile: not-a-list"],
    ["[7]", "row 0"],
    ['[{"cell":"833da1fffffffff","resolution":6},{"cell":"nowhere","resolution":6}]', "row 1: not an H3 cell"],
    ['[{"cell":"8660145b7ffffff","resolution":6}]', "row 0: cell must have resolution 2 or 3"],
    ['[{"cell":"833da1fffffffff","resolution":7}]', "row 0: resolution must be 0 to 6"],
  ])("%s is refused: %s", (json, reason) => {
    expect(() => parseDensityTable(json)).toThrow(reason);
  });
});
