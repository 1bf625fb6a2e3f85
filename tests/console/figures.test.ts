/** Figures of the console are short, carry their unit, and are never more exact than what was measured. */
import { expect, it } from "vitest";
import { pageModule } from "../fixtures/page-module.ts";

type Said = (value: number | null) => string;
const { age, bytes, milliseconds, moment, percent, share, short, sum } = await pageModule<{
  age(seconds: number): string;
  bytes(count: number): string;
  milliseconds: Said;
  moment(at: number, now: number): string;
  percent(part: number): string;
  share(value: number, limit: number): number;
  short: Said;
  sum(counts: Record<string, number>): number;
}>("console/figures.js");

it.each([
  [null, "–"],
  [0, "0"],
  [0.004, "< 0.01"],
  [0.126, "0.13"],
  [12.345, "12.3"],
  [123.4, "123"],
  [1_234_567, "1,234,567"],
])("says %s as %s", (value, said) => {
  expect(short(value)).toBe(said);
});

it.each([
  [0, "0 s"],
  [59.6, "1 min"],
  [61, "1 min 1 s"],
  [3_600, "1 h"],
  [3_660, "1 h 1 min"],
  [86_400 * 2 + 3_600 * 7, "2 days 7 h"],
  [86_400 + 61, "1 day"],
  [-5, "0 s"],
])("says an age of %s seconds as %s", (seconds, said) => {
  expect(age(seconds)).toBe(said);
});

it("says bytes, milliseconds and parts of a bound", () => {
  expect([0, 1_023, 1_024, 1_536, 2 ** 30].map(bytes)).toEqual(["0 B", "1,023 B", "1 KiB", "1.5 KiB", "1 GiB"]);
  expect([null, 0.4, 12.34, 1_500].map(milliseconds)).toEqual(["–", "0.4 ms", "12.3 ms", "1.5 s"]);
  expect([share(5, 0), share(5, 10), share(50, 10)]).toEqual([0, 0.5, 1]);
  expect([0, 0.001, 0.5, 1].map(percent)).toEqual(["0 %", "< 1 %", "50 %", "100 %"]);
  expect(sum({ a: 1, b: 2 })).toBe(3);
});

it("names the day of a moment only where it is another one", () => {
  const noon = new Date(2026, 0, 15, 12, 0, 5).getTime();
  expect(moment(noon, noon + 1_000)).toBe("12:00:05");
  expect(moment(noon, noon + 86_400_000)).toMatch(/^15 Jan 2026, 12:00:05$/);
});
