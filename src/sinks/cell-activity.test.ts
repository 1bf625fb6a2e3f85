import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CellId, DeviceKey } from "../model/ids.ts";
import { ActivityWriting } from "./activity-writing.ts";
import { CellActivity } from "./cell-activity.ts";

const WINDOW_MS = 60_000;
const START_MS = 1_784_160_000_000;

const seen = (device: string, cell: string) => [device as DeviceKey, cell as CellId] as const;
const activityOf = (options: { minDevices: number; maxMembers?: number }) =>
  new CellActivity({ windowMs: WINDOW_MS, offsetNs: 0, ...options });

describe("CellActivity", () => {
  it("tells a cell where a crowd was active, once its window is over", () => {
    const activity = activityOf({ minDevices: 2 });
    activity.add([seen("a", "busy"), seen("b", "busy"), seen("a", "busy"), seen("a", "lonely")], START_MS + 5);
    expect(activity.take(START_MS + WINDOW_MS - 1)).toEqual([]);
    expect(activity.take(START_MS + WINDOW_MS)).toEqual([
      `cell_activity,cell=busy devices=2,messages=3 ${START_MS}000000`,
    ]);
    expect(activity.take(START_MS + WINDOW_MS, true)).toEqual([]);
  });

  it("keeps windows apart, so that two halves of a crowd are no crowd", () => {
    const activity = activityOf({ minDevices: 2 });
    activity.add([seen("a", "x")], START_MS);
    activity.add([seen("b", "x")], START_MS + WINDOW_MS);
    expect(activity.take(START_MS + 10 * WINDOW_MS)).toEqual([]);
  });

  it("tells an unfinished window at the end, under the same threshold", () => {
    const activity = activityOf({ minDevices: 2 });
    activity.add([seen("a", "x"), seen("b", "x"), seen("a", "y")], START_MS);
    expect(activity.take(START_MS + 1, true)).toEqual([`cell_activity,cell=x devices=2,messages=2 ${START_MS}000000`]);
  });

  it("stops counting new members at its bound, counts the known ones, and takes new ones after the window", () => {
    const activity = activityOf({ minDevices: 1, maxMembers: 2 });
    activity.add([seen("a", "x"), seen("b", "x"), seen("c", "x"), seen("a", "x"), seen("d", "y")], START_MS);
    expect(activity.take(START_MS, true)).toEqual([`cell_activity,cell=x devices=2,messages=3 ${START_MS}000000`]);
    activity.add([seen("c", "x")], START_MS);
    expect(activity.take(START_MS, true)).toHaveLength(1);
  });

  it("never tells of fewer devices than it must, and counts exactly", () => {
    const record = fc.tuple(fc.constantFrom(..."abcdefg"), fc.constantFrom("x", "y", "z"));
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (records, minDevices) => {
        const activity = activityOf({ minDevices });
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

  it("leaves the count of an earlier run within the same window beside its own", () => {
    const lines = [1, 2].map((run) => {
      const activity = new CellActivity({ windowMs: WINDOW_MS, minDevices: 1 });
      activity.add([seen(`${run}`, "x")], START_MS);
      return activity.take(START_MS, true)[0] ?? "";
    });
    expect(new Set(lines).size).toBe(2);
    for (const line of lines) expect(line).toMatch(new RegExp(` ${START_MS}\\d{6}$`));
    const odd = new CellActivity({ windowMs: WINDOW_MS, minDevices: 1, offsetNs: 42 });
    odd.add([seen("a", "x")], START_MS);
    expect(odd.take(START_MS, true)).toEqual([`cell_activity,cell=x devices=1,messages=1 ${START_MS}000042`]);
  });
});

describe("ActivityWriting", () => {
  it("keeps what the store has not confirmed, and writes it once when it has", async () => {
    const lines = [["a"], ["b", "c"], []];
    const written: string[][] = [];
    let away = true;
    const writing = new ActivityWriting({ take: () => lines.shift() ?? [] }, async (some) => {
      if (away) throw new Error("away");
      written.push([...some]);
    });
    writing.collect(0);
    await expect(writing.write()).rejects.toThrow("away");
    writing.collect(0);
    await expect(writing.write()).rejects.toThrow("away");
    away = false;
    await writing.write();
    await writing.write();
    expect(written).toEqual([["a", "b", "c"]]);
  });

  it("is bounded: the oldest go first", async () => {
    const written: string[] = [];
    const many = Array.from({ length: 60_000 }, (_, n) => `${n}`);
    const writing = new ActivityWriting({ take: () => many }, async (some) => void written.push(...some));
    writing.collect(0);
    await writing.write();
    expect(written).toEqual(many.slice(10_000));
  });
});
