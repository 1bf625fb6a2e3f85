/** The outline that the pages draw is whole, small, and asks for nothing of any other host. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const FOLDER = new URL("../../web/shared/", import.meta.url);

type Ring = readonly (readonly [lon: number, lat: number])[];

const text = readFileSync(new URL("land.json", FOLDER), "utf8");
const { unpackLand } = (await import(new URL("land.js", FOLDER).href)) as { unpackLand(packed: unknown): Ring[] };
const land = unpackLand(JSON.parse(text));

/** By how often a line towards the east crosses an edge. */
function isLand(lon: number, lat: number): boolean {
  const crossings = land.flatMap((ring) =>
    ring.filter(([x, y], index) => {
      const [toX, toY] = ring[(index + 1) % ring.length] ?? [x, y];
      return y > lat !== toY > lat && lon < x + ((lat - y) / (toY - y)) * (toX - x);
    }),
  );
  return crossings.length % 2 === 1;
}

describe("the outline of the land", () => {
  it("has rings of points that lie on Earth", () => {
    expect(land.length).toBeGreaterThan(100);
    expect(text.length).toBeLessThan(100_000);
    for (const ring of land) {
      expect(ring.length).toBeGreaterThan(3);
      // One that crosses 180° goes on beyond it; none jumps across the map.
      const ways = ring.map(([lon], index) => Math.abs(lon - (ring[index - 1]?.[0] ?? lon)));
      const alongPole = ring.filter(([, lat]) => Math.abs(lat) === 90).length > 1;
      expect(Math.max(...ways)).toBeLessThan(alongPole ? 361 : 30);
      expect(Math.max(...ring.map(([lon]) => Math.abs(lon)))).toBeLessThan(541);
      expect(Math.max(...ring.map(([, lat]) => Math.abs(lat)))).toBeLessThanOrEqual(90);
    }
  });

  it.each([
    ["Bengaluru", 77.59, 12.97, true],
    ["Delhi", 77.22, 28.63, true],
    ["Madrid", -3.7, 40.4, true],
    ["the Bay of Bengal", 88, 15, false],
    ["the Pacific", -150, 0, false],
  ])("knows %s", (_name, lon, lat, is) => {
    expect(isLand(lon, lat)).toBe(is);
  });
});
