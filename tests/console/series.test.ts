/** The hour that the charts show: never longer than an hour, no line where nothing was measured, and no reason forgotten. */
import { expect, it } from "vitest";
import { pageModule } from "../fixtures/page-module.ts";

type Column = readonly (number | null)[];
interface Line {
  readonly name: string;
  readonly values: Column;
}
interface Hour {
  readonly everyMs: number;
  readonly at: readonly number[];
  readonly received: Column;
  readonly refusedBy: Readonly<Record<string, readonly number[]>>;
}
const { extended, highest, refusedLines, stacked, stretches, withGaps } = await pageModule<{
  extended(hour: Hour, sample: object): Hour;
  highest(at: readonly number[], values: Column): { at: number; value: number } | undefined;
  refusedLines(hour: Pick<Hour, "at" | "refusedBy">): Line[];
  stacked(lines: readonly Line[]): number[][];
  stretches(at: readonly number[], lines: readonly Line[], minutes: number): { from: number; values: Column }[];
  withGaps(at: readonly number[], columns: readonly Column[], everyMs: number): { at: number[]; columns: Column[] };
}>("console/series.js");

const MINUTE = 60_000;
const hour: Hour = {
  everyMs: MINUTE,
  at: [0, MINUTE, 2 * MINUTE],
  received: [1, 2, 3],
  refusedBy: { "over-rate": [0, 1, 0] },
};

it("takes a sample in once, lets go of what is older than an hour, and fills up reasons that are new", () => {
  const sample = { at: 61 * MINUTE, received: 9, refusedBy: { "too-large": 4 } };
  const next = extended(hour, sample);
  expect(next.at).toEqual([2 * MINUTE, 61 * MINUTE]);
  expect(next.received).toEqual([3, 9]);
  expect(next.refusedBy).toEqual({ "too-large": [0, 4] });
  expect(extended(next, sample)).toBe(next);
});

it("keeps at most an hour however long a tab stays open", () => {
  let long: Hour = { everyMs: MINUTE, at: [], received: [], refusedBy: {} };
  for (let minute = 0; minute < 7 * 24 * 60; minute += 1)
    long = extended(long, { at: minute * MINUTE, received: minute, refusedBy: { "over-rate": 1 } });
  expect(long.at).toHaveLength(60);
  expect(long.received).toHaveLength(60);
  expect(long.refusedBy["over-rate"]).toHaveLength(60);
});

it("shows the commonest reasons, and the rest as one line", () => {
  const refusedBy = Object.fromEntries(["a", "b", "c", "d", "e", "f", "g"].map((name, index) => [name, [index, 1]]));
  const lines = refusedLines({ at: [0, 1], refusedBy });
  expect(lines.map(({ name }) => name)).toEqual(["g", "f", "e", "d", "c", "others"]);
  expect(lines.at(-1)?.values).toEqual([1, 2]);
  expect(stacked(lines).at(-1)).toEqual([21, 7]);
});

it("draws nothing across a gap", () => {
  const { at, columns } = withGaps([0, 10, 100, 110], [[1, 2, 3, 4]], 10);
  expect(at).toEqual([0, 10, 20, 100, 110]);
  expect(columns).toEqual([[1, 2, null, 3, 4]]);
});

it("finds the peak, and means of stretches, the newest first; nothing measured is no zero", () => {
  expect(highest([1, 2, 3], [null, 5, 4])).toEqual({ at: 2, value: 5 });
  expect(highest([1], [null])).toBeUndefined();
  const lines = [{ name: "in", values: [1, 3, null] }];
  expect(stretches([0, MINUTE, 5 * MINUTE], lines, 5)).toEqual([
    { from: 5 * MINUTE, values: [null] },
    { from: 0, values: [2] },
  ]);
});
