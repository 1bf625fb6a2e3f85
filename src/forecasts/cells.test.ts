import { cellToChildren, cellToParent, getRes0Cells, latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import type { CellId } from "../model/ids.ts";
import { cellsOver, forecastCell, isOpen } from "./cells.ts";

const FINE = latLngToCell(12.97, 77.59, 6);

describe("a cell that may be forecast", () => {
  it("is one that services can be told, written as they are told it", () => {
    expect(forecastCell(FINE)).toBe(FINE);
    for (const text of [
      FINE.toUpperCase(),
      ` ${FINE}`,
      `${FINE}\n`,
      latLngToCell(12.97, 77.59, 7),
      "8660145b7fffffe",
      "8fffffffffffffff",
      "86",
      "",
      "+",
      "__proto__",
      "x".repeat(1 << 16),
    ])
      expect([text.slice(0, 30), forecastCell(text)]).toEqual([text.slice(0, 30), undefined]);
  });

  it("is open to all when it is coarse, and there are few of those", () => {
    const at = (resolution: number) => latLngToCell(12.97, 77.59, resolution) as CellId;
    expect([0, 1, 2, 3, 6].map((resolution) => isOpen(at(resolution)))).toEqual([true, true, true, false, false]);
    const all = [0, 1, 2].flatMap((resolution) => getRes0Cells().flatMap((cell) => cellToChildren(cell, resolution)));
    expect(all).toHaveLength(6_846);
  });
});

it("the cells over a place are itself and what it lies in, finest first", () => {
  expect(cellsOver(FINE as CellId)).toEqual([6, 5, 4, 3, 2, 1, 0].map((one) => cellToParent(FINE, one)));
  const coarse = latLngToCell(12.97, 77.59, 0) as CellId;
  expect(cellsOver(coarse)).toEqual([coarse]);
});
