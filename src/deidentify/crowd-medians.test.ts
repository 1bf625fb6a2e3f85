/** A median is over people, each once, and no value of fewer than k leaves in any cell. */
import fc from "fast-check";
import { cellToChildren, cellToParent, getResolution, latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import type { SubjectReading } from "../model/crowd.ts";
import type { CellId, SubjectTag } from "../model/ids.ts";
import { CrowdMedians } from "./crowd-medians.ts";

const properties = [
  { name: "temperature", weatherStep: { step: 0.5 } },
  { name: "humidity", weatherStep: { step: 2 } },
  { name: "power", weatherStep: undefined },
];
const medians = new CrowdMedians({ properties, coarsestResolution: 2 });
const HERE = latLngToCell(12.97, 77.59, 5) as CellId;
const NEXT = cellToChildren(cellToParent(HERE, 4), 5).find((cell) => cell !== HERE) as CellId;
const FAR = latLngToCell(48, 11, 5) as CellId;
const five = () => 5;

const reading = (subject: number, cell: CellId, status: Record<string, number>, at = 1): SubjectReading => ({
  subject: `s${subject}` as SubjectTag,
  cell,
  status,
  at,
});
const crowd = (count: number, cell: CellId, first = 0, value = 20): SubjectReading[] =>
  Array.from({ length: count }, (_, n) => reading(first + n, cell, { temperature: value + n / 2 }));

describe("the weather of a cell", () => {
  it("is the median, of an even number the mean of the two in the middle, as a multiple of the step", () => {
    expect(medians.of(crowd(5, HERE), five)[0]?.status).toEqual({ temperature: 21 });
    expect(medians.of(crowd(6, HERE), five)[0]?.status).toEqual({ temperature: 21.5 });
    expect(medians.of(crowd(7, HERE), five)[0]?.status).toEqual({ temperature: 21.5 });
    expect(medians.of(crowd(7, HERE), five)[0]?.subjects.size).toBe(7);
  });

  it("takes one value of a subject, the newest, however many devices it has", () => {
    const devices = Array.from({ length: 50 }, (_, n) => reading(1, HERE, { temperature: n }, n));
    expect(medians.of([...devices, ...crowd(3, HERE, 10)], five)).toEqual([]);
    const told = medians.of([...devices, ...crowd(4, HERE, 10, 60)], five);
    expect(told[0]?.status).toEqual({ temperature: 60.5 });
  });

  it("is told for each property that has a crowd of its own, and of nothing that is no weather", () => {
    const some = crowd(6, HERE).map((one, n) => ({
      ...one,
      status: { ...one.status, power: 5, ...(n < 4 && { humidity: 40 }) },
    }));
    expect(medians.of(some, five).map(({ cell, status }) => [cell, status])).toEqual([[HERE, { temperature: 21.5 }]]);
  });

  it("of too few is told for the parent, together with the neighbours that are too few, and not where the crowd is", () => {
    const told = medians.of([...crowd(3, HERE), ...crowd(3, NEXT, 10)], five);
    expect(told.map(({ cell }) => cell)).toEqual([cellToParent(HERE, 4)]);
    const beside = medians.of([...crowd(6, HERE), ...crowd(3, NEXT, 10)], five);
    expect(beside.map(({ cell }) => cell)).toEqual([HERE]);
    expect(beside[0]?.subjects.has("s10" as SubjectTag)).toBe(false);
  });

  it("of fewer than k in a whole area is not told at all", () => {
    expect(medians.of([...crowd(4, HERE), ...crowd(4, FAR, 10)], five)).toEqual([]);
    expect(medians.areaOf(HERE)).toBe(cellToParent(HERE, 2));
    expect(medians.areaOf(cellToParent(HERE, 1) as CellId)).toBe(cellToParent(HERE, 1));
  });

  it("counts a subject who was in two cells once in their parent", () => {
    const moving = [reading(1, HERE, { temperature: 10 }, 1), reading(1, NEXT, { temperature: 30 }, 2)];
    expect(medians.of([...moving, ...crowd(3, HERE, 10)], five)).toEqual([]);
    expect(medians.of([...moving, ...crowd(4, HERE, 10)], () => 6)).toEqual([]);
  });

  it("never has fewer people than its cell needs, never one value in two cells, never a cell finer than its readings", () => {
    const points = fc.array(
      fc.record({
        subject: fc.nat(30),
        lat: fc.double({ min: 12, max: 14, noNaN: true }),
        lon: fc.double({ min: 77, max: 79, noNaN: true }),
        resolution: fc.integer({ min: 1, max: 6 }),
        temperature: fc.integer({ min: -20, max: 80 }),
      }),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(points, fc.integer({ min: 1, max: 8 }), (some, k) => {
        const readings = some.map(({ subject, lat, lon, resolution, temperature }, at) =>
          reading(subject, latLngToCell(lat, lon, resolution) as CellId, { temperature: temperature / 2 }, at),
        );
        const told = medians.of(readings, () => k);
        for (const { cell, subjects } of told) {
          expect(subjects.size).toBeGreaterThanOrEqual(k);
          expect(getResolution(cell)).toBeGreaterThanOrEqual(1);
        }
        expect(new Set(told.map(({ cell }) => cell)).size).toBe(told.length);
        // A person with one single reading is in one cell at most.
        const once = new Set(
          readings
            .map(({ subject }) => subject)
            .filter((one, _, all) => all.filter((other) => other === one).length === 1),
        );
        for (const subject of once) expect(told.filter(({ subjects }) => subjects.has(subject)).length).toBeLessThan(2);
      }),
    );
  });
});
