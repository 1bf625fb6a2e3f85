import fc from "fast-check";
import { cellToChildren, cellToLatLng, getPentagons, latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import { CellCore } from "./cell-core.ts";

const latitude = fc.double({ min: -90, max: 90, noNaN: true });
const longitude = fc.double({ min: -180, max: 180, noNaN: true });
const resolution = fc.integer({ min: 0, max: 6 });
/** From the middle of a cell to well beyond its corners; in cell radii. */
const away = fc.double({ min: -1.3, max: 1.3, noNaN: true });

/** Rough radius of a cell in degrees of latitude: about 10 degrees at resolution 0, a 2.65th of it for each step. */
const radius = (res: number): number => 10 / 7 ** (res / 2);

function around(cell: string, res: number, north: number, east: number): [lat: number, lon: number] {
  const [lat, lon] = cellToLatLng(cell);
  const there = Math.max(-90, Math.min(90, lat + north * radius(res)));
  const turned = lon + (east * radius(res)) / Math.max(0.01, Math.cos((there * Math.PI) / 180));
  return [there, ((((turned + 180) % 360) + 360) % 360) - 180];
}

describe("CellCore", () => {
  it("holds no point that H3 puts into another cell, anywhere on Earth", () => {
    fc.assert(
      fc.property(latitude, longitude, resolution, away, away, (lat, lon, res, north, east) => {
        const cell = latLngToCell(lat, lon, res);
        const point = around(cell, res, north, east);
        if (new CellCore(cell).holds(...point)) expect(latLngToCell(...point, res)).toBe(cell);
      }),
      { numRuns: 2_000 },
    );
  });

  it("nor at the pentagons and their neighbours, where cells are most crooked", () => {
    for (const res of [0, 1, 2, 5, 6]) {
      const cells = getPentagons(res).flatMap((cell) => (res === 0 ? [cell] : cellToChildren(cell, res)));
      for (const cell of cells) {
        const core = new CellCore(cell);
        for (let turn = 0; turn < 48; turn += 1) {
          for (const out of [0.5, 0.7, 0.8, 0.9, 1, 1.1]) {
            const angle = (turn * Math.PI) / 24;
            const point = around(cell, res, out * Math.sin(angle), out * Math.cos(angle));
            if (core.holds(...point)) expect(latLngToCell(...point, res)).toBe(cell);
          }
        }
      }
    }
  });

  it("holds most of its cell, so that H3 is rarely asked", () => {
    const cell = latLngToCell(12.9716, 77.5946, 6);
    const core = new CellCore(cell);
    let inCell = 0;
    let held = 0;
    for (let north = -1; north <= 1; north += 0.05) {
      for (let east = -1; east <= 1; east += 0.05) {
        const point = around(cell, 6, north, east);
        if (latLngToCell(...point, 6) !== cell) continue;
        inCell += 1;
        if (core.holds(...point)) held += 1;
      }
    }
    expect(held / inCell).toBeGreaterThan(0.75);
  });
});
