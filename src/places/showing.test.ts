/** What a person is shown of a place is what is stored of it, and no more than what is noted. */
import { cellToParent, latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import type { CellId } from "../model/ids.ts";
import type { PlaceRecord } from "../model/place.ts";
import { DAY_MS } from "./record.ts";
import { shownPlaceOf } from "./showing.ts";

const STEP_MS = 900_000;
const NOW = 20_650 * DAY_MS + 12 * 3_600_000;
const HERE = latLngToCell(12.9716, 77.5946, 6) as CellId;
const WIDE = cellToParent(HERE, 4) as CellId;
const clock = { now: NOW, stepMs: STEP_MS, keepMs: 30 * DAY_MS };

const seen = (agoMs: number, more: Partial<PlaceRecord> = {}): PlaceRecord => ({
  cell: HERE,
  at: NOW - agoMs,
  since: NOW - agoMs,
  revision: 1,
  ...more,
});
const told = (epochStart: number) => ({ cell: HERE, as: WIDE, epochStart, writtenAt: NOW, revision: 1 });

describe("a place that is shown", () => {
  it("is the wider cell that was written, and not the one that is noted", () => {
    const shown = shownPlaceOf(seen(1, { told: told(NOW - DAY_MS) }), clock);
    expect(shown).toEqual({ state: "stored", noted: HERE, stored: WIDE });
  });

  it("waits for its steps, and then there are too few", () => {
    for (const agoMs of [1, 2 * STEP_MS - 1])
      expect(shownPlaceOf(seen(agoMs), clock)).toEqual({ state: "waits", noted: HERE });
    expect(shownPlaceOf(seen(2 * STEP_MS), clock)).toEqual({ state: "too-few", noted: HERE });
  });

  it("is none where nothing is noted, and silent where nothing was since the day before yesterday", () => {
    expect(shownPlaceOf(undefined, clock)).toEqual({ state: "none" });
    expect(shownPlaceOf(seen(2 * DAY_MS), clock).state).toBe("silent");
  });

  it("is stored no longer when the row is gone by its age", () => {
    expect(shownPlaceOf(seen(1, { told: told(NOW - 30 * DAY_MS) }), clock).state).toBe("stored");
    const gone = seen(3 * STEP_MS, { told: told(NOW - 30 * DAY_MS - 1) });
    expect(shownPlaceOf(gone, clock)).toEqual({ state: "too-few", noted: HERE });
  });
});
