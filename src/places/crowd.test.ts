/** Which cell may be told of a place: never one in which too few people are told. */
import fc from "fast-check";
import { cellToChildren, cellToParent, getPentagons, getResolution, gridDisk, latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import type { CellId, SubjectTag } from "../model/ids.ts";
import type { PlaceRecord } from "../model/place.ts";
import { type Inhabitants, inhabit, tellableCells } from "./crowd.ts";
import { DAY_MS } from "./record.ts";

const LEAST = 5;
const DAY = 20_000;
const NOW = DAY * DAY_MS + 12 * 3_600_000;
const HOME = latLngToCell(12.9716, 77.5946, 6) as CellId;
const subject = (n: number): SubjectTag => `subject-${n}` as SubjectTag;

function people(...homes: readonly (readonly [cell: string, count: number])[]): Inhabitants {
  const inhabitants: Inhabitants = new Map();
  let n = 0;
  for (const [cell, count] of homes) {
    const here = inhabitants.get(cell as CellId) ?? new Set<SubjectTag>();
    for (let one = 0; one < count; one += 1) here.add(subject(n++));
    inhabitants.set(cell as CellId, here);
  }
  return inhabitants;
}

const record = (cell: CellId, at = NOW, more: Partial<PlaceRecord> = {}): PlaceRecord => ({
  cell,
  at,
  since: at,
  revision: 1,
  ...more,
});

describe("the cell that may be told", () => {
  it("is the finest with enough people in it", async () => {
    expect((await tellableCells(people([HOME, 5]), LEAST)).get(HOME)).toBe(HOME);
    const [, next = ""] = cellToChildren(cellToParent(HOME, 5), 6);
    const around = cellToParent(HOME, 5);
    const told = await tellableCells(people([HOME, 3], [next, 2]), LEAST);
    expect([told.get(HOME), told.get(next as CellId)]).toEqual([around, around]);
  });

  it("is none with fewer people than that on the whole continent", async () => {
    const far = latLngToCell(-33.9, 18.4, 4) as CellId;
    const told = await tellableCells(people([HOME, 4], [far, 7]), LEAST);
    expect([told.has(HOME), told.get(far)]).toEqual([false, far]);
  });

  it("is not the one around a town for who alone is left over beside it", async () => {
    const [, next = ""] = cellToChildren(cellToParent(HOME, 5), 6);
    expect(cellToParent(next, 5)).toBe(cellToParent(HOME, 5));
    const told = await tellableCells(people([HOME, 6], [next, 1]), LEAST);
    expect(told.get(HOME)).toBe(HOME);
    // Told with the wider cell, they alone would stand there, and everyone would know that it is not the town.
    expect(told.has(next as CellId)).toBe(false);
  });

  it("is never finer than the place was noted, nor one that holds fewer people than it must, anywhere on Earth", async () => {
    const somewhere = fc.tuple(
      fc.double({ min: -90, max: 90, noNaN: true }),
      fc.double({ min: -180, max: 180, noNaN: true }),
      fc.integer({ min: 3, max: 6 }),
    );
    const cluster = somewhere.chain(([lat, lon, resolution]) => {
      const cells = gridDisk(latLngToCell(lat, lon, resolution), 2);
      return fc.array(fc.tuple(fc.constantFrom(...cells), fc.integer({ min: 1, max: 4 })), { maxLength: 12 });
    });
    const edges = fc.constantFrom(
      ...getPentagons(6),
      latLngToCell(90, 0, 6),
      latLngToCell(-90, 0, 5),
      latLngToCell(0.2, 180, 6),
      latLngToCell(0.2, -179.99, 6),
    );
    const edge = fc.array(fc.tuple(edges, fc.integer({ min: 1, max: 9 })), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(cluster, edge), { maxLength: 5 }), async (clusters) => {
        const inhabitants = people(...clusters.flat());
        const told = await tellableCells(inhabitants, LEAST);
        const together = new Map<CellId, Set<SubjectTag>>();
        for (const [cell, as] of told) {
          expect(getResolution(as)).toBeLessThanOrEqual(getResolution(cell));
          expect(cellToParent(cell, getResolution(as))).toBe(as);
          const others = together.get(as) ?? new Set();
          for (const one of inhabitants.get(cell) ?? []) others.add(one);
          together.set(as, others);
        }
        for (const others of together.values()) expect(others.size).toBeGreaterThanOrEqual(LEAST);
      }),
    );
  });
});

describe("who counts", () => {
  const counted = (...records: readonly (readonly [subject: number, PlaceRecord])[]): Inhabitants => {
    const inhabitants: Inhabitants = new Map();
    for (const [who, one] of records) inhabit(inhabitants, subject(who), one, NOW);
    return inhabitants;
  };

  it("are people: two hundred devices of one person are one", async () => {
    const many = Array.from({ length: 200 }, () => [1, record(HOME)] as const);
    expect(counted(...many).get(HOME)?.size).toBe(1);
    expect((await tellableCells(counted(...many), LEAST)).size).toBe(0);
  });

  it("are those of today and of the day before, wherever they were last on each of them", () => {
    const before = latLngToCell(40, -3, 6) as CellId;
    const yesterday = (DAY - 1) * DAY_MS;
    const inhabitants = counted(
      [1, record(HOME, yesterday)],
      [2, record(HOME, yesterday - 1)],
      [3, record(HOME, NOW, { before: { cell: before, at: yesterday + 7 } })],
      [4, record(HOME, NOW, { before: { cell: before, at: yesterday - 7 } })],
    );
    expect([...(inhabitants.get(HOME) ?? [])].sort()).toEqual([1, 3, 4].map(subject));
    expect([...(inhabitants.get(before) ?? [])]).toEqual([subject(3)]);
  });
});
