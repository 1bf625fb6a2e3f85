/** What the map says of people: by class, in words too, and never of fewer than ten. */
import { expect, it } from "vitest";
import { pageModule } from "../fixtures/page-module.ts";

const { peopleIn, said, sizeOf } = await pageModule<{
  sizeOf(people: number | null): { radius: number };
  peopleIn(people: number | null): string;
  said(cells: readonly { people: number | null }[]): string;
}>("console/sizes.js");

it("draws more people larger, by class and not by number", () => {
  const radii = [null, 10, 100, 1_000].map((people) => sizeOf(people).radius);
  expect(radii).toEqual([...new Set(radii)].sort((one, other) => one - other));
  expect(sizeOf(990)).toBe(sizeOf(100));
});

it("says in words what the dots say", () => {
  expect(said([])).toMatch(/^No area is active/);
  expect(said([{ people: null }])).toBe(
    "1 active area on the map of the world: 1 with fewer than ten, or no count lately.",
  );
  expect(said([{ people: 40 }, { people: 90 }, { people: 2_310 }])).toBe(
    "3 active areas on the map of the world: 1 with a thousand people or more and 2 with ten or more.",
  );
  expect([peopleIn(null), peopleIn(2_310)]).toEqual(["fewer than ten, or no count lately", "about 2,310"]);
});
