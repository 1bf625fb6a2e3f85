import { readFileSync } from "node:fs";
import fc from "fast-check";
import {
  cellToBoundary,
  cellToLatLng,
  cellToParent,
  getPentagons,
  getResolution,
  gridDisk,
  isValidCell,
  latLngToCell,
} from "h3-js";
import { describe, expect, it } from "vitest";
import type { Pseudonym } from "../model/ids.ts";
import { packCells, parseDensityTable } from "./density-table.ts";
import { type DensityRow, type LocationOptions, Locations } from "./location.ts";

const SHIPPED = readFileSync("config/densities.json", "utf8");
const DENSITIES: readonly DensityRow[] = parseDensityTable(SHIPPED);
const BENGALURU = { lat: 12.9716, lon: 77.5946 };
const base: LocationOptions = {
  finestResolution: 6,
  defaultResolution: 3,
  densities: DENSITIES,
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
    const rows = new Map(DENSITIES.map((row) => [row.cell, row.resolution]));
    const town = fc.constantFrom(...DENSITIES.map(({ cell }) => cellToLatLng(cell)));
    fc.assert(
      fc.property(fc.oneof(fc.tuple(latitude, longitude), town), ([lat, lon]) => {
        const { cell, resolution, center } = locations.placeOf(lat, lon);
        const fine = latLngToCell(lat, lon, 6);
        const known = [6, 5, 4].find((around) => rows.has(cellToParent(fine, around)));
        expect(resolution).toBe(known ?? base.defaultResolution);
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

  it("reads rows of fine cells before rows of wide ones", () => {
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

  it("tells a device that stays by another table as soon as that is there, and says whether it is another", () => {
    const { lat, lon } = BENGALURU;
    const locations = new Locations({ ...base, stickiness: 0.5 });
    const resolution = (at: number) => locations.locate(device, lat, lon, at)?.place.resolution;
    expect(resolution(1)).toBe(6);
    expect(locations.useDensities([...DENSITIES])).toBe(false);
    expect(locations.useDensities([])).toBe(true);
    // Its cell of before would still hold it.
    expect(resolution(2)).toBe(base.defaultResolution);
    expect(locations.placeOf(lat, lon).resolution).toBe(base.defaultResolution);
    expect(locations.useDensities([{ cell: latLngToCell(lat, lon, 4), resolution: 5 }])).toBe(true);
    expect(resolution(3)).toBe(5);
    // A message from before the newest one is still none to store.
    expect(locations.useDensities(DENSITIES)).toBe(true);
    expect(locations.locate(device, lat, lon, 2)?.newest).toBe(false);
    expect(resolution(4)).toBe(6);
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
    [0, 0],
    [-0, 0],
  ])("%d, %d is no place", (lat, lon) => {
    expect(new Locations(base).locate(device, lat, lon, 1)).toBeUndefined();
  });
});

describe("the density table", () => {
  it("knows towns finely, villages less, and the sea not at all", () => {
    const locations = new Locations(base);
    expect(locations.placeOf(BENGALURU.lat, BENGALURU.lon).resolution).toBe(6);
    expect(locations.placeOf(12.28, 73.2).resolution).toBe(3);
    expect(new Set(DENSITIES.map(({ resolution }) => resolution))).toEqual(new Set([4, 5, 6]));
  });

  it("holds every cell inside one that qualifies as well: who lives in the small one lives in the large one", () => {
    const known = new Set(DENSITIES.map(({ cell }) => cell));
    expect(known.size).toBe(DENSITIES.length);
    for (const { cell, resolution } of DENSITIES)
      if (resolution > 4) expect(known.has(cellToParent(cell, resolution - 1))).toBe(true);
  });

  it("comes out of its packed form as it went in, pentagons and both ends of the globe included", () => {
    const anywhere = fc.tuple(latitude, longitude, fc.nat(6)).map(([lat, lon, r]) => latLngToCell(lat, lon, r));
    fc.assert(
      fc.property(fc.uniqueArray(anywhere, { maxLength: 40 }), (cells) => {
        const all = [...new Set([...cells, ...getPentagons(3), latLngToCell(90, 0, 6), latLngToCell(-90, 0, 4)])];
        const byResolution = [0, 1, 2, 3, 4, 5, 6].map((r) => all.filter((cell) => getResolution(cell) === r));
        const rows = parseDensityTable(JSON.stringify(packCells(byResolution)));
        expect(rows.map(({ cell }) => cell).toSorted()).toEqual(all.toSorted());
        for (const { cell, resolution } of rows) expect(resolution).toBe(getResolution(cell));
      }),
    );
  });

  it("is read as a list too", () => {
    const rows = [{ cell: "833da1fffffffff", resolution: 6 }];
    expect(parseDensityTable(JSON.stringify(rows))).toEqual(rows);
  });

  it.each([
    ["{", "densityFile: not-json"],
    ["{}", "densityFile: not-a-table"],
    ["null", "densityFile: not-a-table"],
    [SHIPPED.replace(/"cells": "..../, '"cells": "AAAA'), "densityFile: altered"],
    ["[7]", "row 0"],
    ['[{"cell":"833da1fffffffff","resolution":6},{"cell":"nowhere","resolution":6}]', "row 1: not an H3 cell"],
    ['[{"cell":"8760145b6ffffff","resolution":6}]', "row 0: cell must have resolution 0 to 6"],
    ['[{"cell":"833da1fffffffff","resolution":7}]', "row 0: resolution must be 0 to 6"],
  ])("%.40s is refused: %s", (json, reason) => {
    expect(() => parseDensityTable(json)).toThrow(reason);
  });
});
