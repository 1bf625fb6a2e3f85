import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AnalyticsRecord } from "../model/deidentified.ts";
import type { CellId, Pseudonym } from "../model/ids.ts";
import { CellActivity } from "./cell-activity.ts";

const WINDOW_MS = 60_000;
const START_MS = 1_784_160_000_000;

function seen(device: string, cell?: string): AnalyticsRecord {
  const record = { device: device as Pseudonym, timestampNs: "1" };
  return cell === undefined ? record : { ...record, location: { cell: cell as CellId, resolution: 5, epochStart: 0 } };
}

describe("CellActivity", () => {
  it("tells a cell where a crowd was active, once its window is over", () => {
    const activity = new CellActivity({ windowMs: WINDOW_MS, minDevices: 2 });
    activity.add(
      [seen("a", "busy"), seen("b", "busy"), seen("a", "busy"), seen("a", "lonely"), seen("c")],
      START_MS + 5,
    );
    expect(activity.take(START_MS + WINDOW_MS - 1)).toEqual([]);
    expect(activity.take(START_MS + WINDOW_MS)).toEqual([
      `cell_activity,cell=busy devices=2,messages=3 ${START_MS}000000`,
    ]);
    expect(activity.take(START_MS + WINDOW_MS, true)).toEqual([]);
  });

  it("keeps windows apart, so that two halves of a crowd are no crowd", () => {
    const activity = new CellActivity({ windowMs: WINDOW_MS, minDevices: 2 });
    activity.add([seen("a", "x")], START_MS);
    activity.add([seen("b", "x")], START_MS + WINDOW_MS);
    expect(activity.take(START_MS + 10 * WINDOW_MS)).toEqual([]);
  });

  it("tells an unfinished window at the end, under the same threshold", () => {
    const activity = new CellActivity({ windowMs: WINDOW_MS, minDevices: 2 });
    activity.add([seen("a", "x"), seen("b", "x"), seen("a", "y")], START_MS);
    expect(activity.take(START_MS + 1, true)).toEqual([`cell_activity,cell=x devices=2,messages=2 ${START_MS}000000`]);
  });

  it("stops counting new members at its bound, counts the known ones, and takes new ones after the window", () => {
    const activity = new CellActivity({ windowMs: WINDOW_MS, minDevices: 1, maxMembers: 2 });
    activity.add([seen("a", "x"), seen("b", "x"), seen("c", "x"), seen("a", "x"), seen("d", "y")], START_MS);
    expect(activity.take(START_MS, true)).toEqual([`cell_activity,cell=x devices=2,messages=3 ${START_MS}000000`]);
    activity.add([seen("c", "x")], START_MS);
    expect(activity.take(START_MS, true)).toHaveLength(1);
  });

  it("never tells of fewer devices than it must, and counts exactly", () => {
    const record = fc.tuple(fc.constantFrom(..."abcdefg"), fc.constantFrom("x", "y", "z"));
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (records, minDevices) => {
        const activity = new CellActivity({ windowMs: WINDOW_MS, minDevices });
        activity.add(
          records.map(([device, cell]) => seen(device, cell)),
          START_MS,
        );
        const expected = ["x", "y", "z"].flatMap((cell) => {
          const here = records.filter(([, where]) => where === cell);
          const devices = new Set(here.map(([device]) => device)).size;
          return devices < minDevices
            ? []
            : [`cell_activity,cell=${cell} devices=${devices},messages=${here.length} ${START_MS}000000`];
        });
        expect(activity.take(START_MS + WINDOW_MS).toSorted()).toEqual(expected);
      }),
    );
  });
});
