import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Watchdog } from "./watchdog.ts";

const SILENCE_MS = 10_000;

describe("Watchdog", () => {
  let state: { waiting: number | undefined; held: number; onPurpose: boolean };
  let stalls: number;
  let watchdog: Watchdog;
  beforeEach(() => {
    vi.useFakeTimers();
    state = { waiting: 0, held: 0, onPurpose: false };
    stalls = 0;
    watchdog = new Watchdog(SILENCE_MS, {
      waitingJobs: () => state.waiting,
      heldJobs: () => state.held,
      waitingOnPurpose: () => state.onPurpose,
      stalled: () => {
        stalls += 1;
      },
    });
    watchdog.start();
  });
  afterEach(() => {
    watchdog.stop();
    vi.useRealTimers();
  });

  const stallsAfter = (silences: number): number => {
    vi.advanceTimersByTime(silences * SILENCE_MS);
    return stalls;
  };

  it("detects work that waits or is in progress while nothing completes", () => {
    state.waiting = 1;
    expect(stallsAfter(0.9)).toBe(0);
    watchdog.progressed();
    expect(stallsAfter(0.9)).toBe(0);
    expect(stallsAfter(0.3)).toBeGreaterThan(0);
    watchdog.progressed();
    Object.assign(state, { waiting: 0, held: 1 });
    stalls = 0;
    expect(stallsAfter(1.2)).toBeGreaterThan(0);
  });

  it("reports no stall for an idle gateway, for one that waits on purpose, or while Redis does not answer", () => {
    expect(stallsAfter(3)).toBe(0);
    Object.assign(state, { waiting: 5, held: 5, onPurpose: true });
    expect(stallsAfter(3)).toBe(0);
    Object.assign(state, { waiting: undefined, onPurpose: false });
    expect(stallsAfter(3)).toBe(0);
  });

  it("counts from the time at which that reason ended", () => {
    Object.assign(state, { waiting: undefined, held: 1 });
    expect(stallsAfter(3)).toBe(0);
    state.waiting = 0;
    expect(stallsAfter(0.9)).toBe(0);
    expect(stallsAfter(0.3)).toBeGreaterThan(0);
  });
});
