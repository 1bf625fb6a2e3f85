import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Beat, untilBeat } from "./beat.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function counted(everyMs: number) {
  const at: number[] = [];
  return { at, beat: new Beat(everyMs, () => at.push(performance.now())) };
}

it("calls once at the next beat, however often it is asked and whenever", () => {
  const { at, beat } = counted(10);
  for (const ms of [3, 4, 1]) {
    vi.advanceTimersByTime(ms);
    beat.call(false);
  }
  vi.advanceTimersByTime(100);
  expect(at).toHaveLength(1);
  expect((at[0] ?? 0) % 10).toBeLessThan(1);
});

it("calls at once when it is asked to, and then not at the beat as well", () => {
  const { at, beat } = counted(10);
  beat.call(false);
  const now = performance.now();
  beat.call(true);
  beat.call(false);
  vi.advanceTimersByTime(0);
  expect(at).toEqual([now]);
  vi.advanceTimersByTime(100);
  expect(at).toHaveLength(1);
});

it("always calls at once without beats, and not at all once it is stopped", () => {
  const { at, beat } = counted(0);
  beat.call(false);
  vi.advanceTimersByTime(0);
  expect(at).toHaveLength(1);
  beat.call(false);
  beat.stop();
  vi.advanceTimersByTime(100);
  expect(at).toHaveLength(1);
});

it("beats stand at fixed times: the wait ends right behind the same one for all that come before", () => {
  for (const now of [20, 21.5, 29.9]) expect(Math.trunc(now + untilBeat(10, now))).toBe(30);
});
