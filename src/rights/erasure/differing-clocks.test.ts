/** A clock difference widens the window in which names are looked for, in few steps, and never narrows it. */
import { expect, test } from "vitest";
import { DAY_MS } from "../../model/durations.ts";
import type { Log } from "../../model/log.ts";
import { DifferingClocks } from "./differing-clocks.ts";

const NOW = 1_700_000_000_000;

function clocks(aheadMs: number, behindMs = 0) {
  const windows: [number, number][] = [];
  const said: string[] = [];
  const log: Log = { info: () => undefined, warn: () => undefined, error: (text) => said.push(text) };
  const state = { aheadMs, behindMs };
  const differing = new DifferingClocks(
    { time: async () => [NOW / 1_000, 0] } as never,
    {
      useClockWindow: async (past: number, future: number) => void windows.push([past, future]),
      behindLatest: async () => state.behindMs,
    },
    { clockWindowPastMs: 10, clockWindowFutureMs: 20 },
    log,
    () => NOW + state.aheadMs,
  );
  return { differing, windows, said, state };
}

test("clocks that agree to the minute change nothing", async () => {
  const { differing, windows, said } = clocks(59_000);
  await differing.note();
  expect([windows, said]).toEqual([[], []]);
});

test.each([-1, 1])("a clock difference widens the window on both sides, in doubling days", async (sign) => {
  const { differing, windows, said, state } = clocks(sign * 3 * DAY_MS);
  await differing.note();
  expect(windows).toEqual([[10 + 4 * DAY_MS, 20 + 4 * DAY_MS]]);
  expect(said).toEqual(["clock differs from that of Redis"]);
  state.aheadMs = sign * DAY_MS;
  await differing.note();
  expect(windows).toHaveLength(1);
});

test("a clock behind an earlier reading of any gateway widens it too", async () => {
  const { differing, windows, said } = clocks(0, 2 * DAY_MS);
  await differing.note();
  expect(windows).toEqual([[10 + 2 * DAY_MS, 20 + 2 * DAY_MS]]);
  expect(said).toEqual(["clock is behind an earlier reading"]);
});
