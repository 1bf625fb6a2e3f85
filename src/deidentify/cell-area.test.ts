import fc from "fast-check";
import { getHexagonAreaAvg, getPentagons, getResolution, isPentagon, latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import { areaOf } from "./cell-area.ts";

const EDGES = [
  ...[0, 3, 6].flatMap((resolution) => getPentagons(resolution)),
  latLngToCell(90, 0, 6),
  latLngToCell(-90, 0, 2),
  latLngToCell(0.2, 180, 6),
  latLngToCell(0.2, -179.99, 3),
];

describe("the area of a cell", () => {
  it("has its corners, its middle and its size, anywhere on Earth", () => {
    const anywhere = fc
      .tuple(fc.double({ min: -90, max: 90, noNaN: true }), fc.double({ min: -180, max: 180, noNaN: true }), fc.nat(6))
      .map(([lat, lon, resolution]) => latLngToCell(lat, lon, resolution));
    fc.assert(
      fc.property(fc.oneof(anywhere, fc.constantFrom(...EDGES)), (cell) => {
        const area = areaOf(cell);
        expect(area?.corners.length).toBeGreaterThanOrEqual(isPentagon(cell) ? 5 : 6);
        expect(area?.corners.length).toBeLessThanOrEqual(10);
        const average = getHexagonAreaAvg(getResolution(cell), "km2");
        expect((area?.km2 ?? 0) / average).toBeGreaterThan(0.3);
        expect((area?.km2 ?? 0) / average).toBeLessThan(2);
        for (const [lat, lon] of [area?.center ?? [99, 0], ...(area?.corners ?? [])]) {
          expect(Math.abs(lat)).toBeLessThanOrEqual(90);
          expect(Math.abs(lon)).toBeLessThanOrEqual(180);
        }
      }),
    );
  });

  it("is none of what is no cell", () => {
    expect(areaOf("nonsense")).toBeUndefined();
  });
});
