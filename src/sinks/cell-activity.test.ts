import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CellId, DeviceKey } from "../model/ids.ts";
import type { CellCount } from "../model/sink.ts";
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
      { cell: "busy", devices: 2, messages: 3, timestampNs: `${START_MS}000000` },
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
    expect(activity.take(START_MS + 1, true)).toEqual([
      { cell: "x", devices: 2, messages: 2, timestampNs: `${START_MS}000000` },
    ]);
  });

  it("stops counting new members at its bound, counts the known ones, and takes new ones after the window", () => {
    const activity = activityOf({ minDevices: 1, maxMembers: 2 });
    activity.add([seen("a", "x"), seen("b", "x"), seen("c", "x"), seen("a", "x"), seen("d", "y")], START_MS);
    expect(activity.take(START_MS, true)).toEqual([
      { cell: "x", devices: 2, messages: 3, timestampNs: `${START_MS}000000` },
    ]);
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
            : [{ cell, devices, messages: here.length, timestampNs: `${START_MS}000000` }];
        });
        const told = activity.take(START_MS + WINDOW_MS);
        expect(told.toSorted((left, right) => (left.cell < right.cell ? -1 : 1))).toEqual(expected);
      }),
    );
  });

  it("leaves the count of an earlier run within the same window beside its own", () => {
    const times = [1, 2].map((run) => {
      const activity = new CellActivity({ windowMs: WINDOW_MS, minDevices: 1 });
      activity.add([seen(`${run}`, "x")], START_MS);
      return activity.take(START_MS, true)[0]?.timestampNs;
    });
    expect(new Set(times).size).toBe(2);
    for (const time of times) expect(time).toMatch(new RegExp(`^${START_MS}\\d{6}$`));
    const odd = new CellActivity({ windowMs: WINDOW_MS, minDevices: 1, offsetNs: 42 });
    odd.add([seen("a", "x")], START_MS);
    expect(odd.take(START_MS, true)).toEqual([
      { cell: "x", devices: 1, messages: 1, timestampNs: `${START_MS}000042` },
    ]);
  });
});

const countOf = (cell: string): CellCount => ({ cell: cell as CellId, devices: 5, messages: 9, timestampNs: "1" });

describe("ActivityWriting", () => {
  it("keeps what the store has not confirmed, and writes it once when it has", async () => {
    const counts = [["a"], ["b", "c"], []].map((cells) => cells.map(countOf));
    const written: string[][] = [];
    let away = true;
    const writing = new ActivityWriting({ take: () => counts.shift() ?? [] }, async (some) => {
      if (away) throw new Error("away");
      written.push(some.map(({ cell }) => cell));
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
    const written: CellCount[] = [];
    const many = Array.from({ length: 60_000 }, (_, n) => countOf(`${n}`));
    const writing = new ActivityWriting({ take: () => many }, async (some) => void written.push(...some));
    writing.collect(0);
    await writing.write();
    expect(written).toEqual(many.slice(10_000));
  });
});
