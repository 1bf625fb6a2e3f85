import { describe, expect, test } from "vitest";
import { Random } from "../../simulators/random.ts";
import { sayingsOfDay } from "./day.ts";
import { makeWorld } from "./world.ts";

const DAY_MS = 86_400_000;
const MONDAY = Date.UTC(2026, 8, 7);
const world = () => makeWorld({ seed: 4, homes: 100, devices: 300 });
const dayOf = (from: number) => sayingsOfDay(world(), from, new Random(1));

describe("the simulated world", () => {
  test("is the same for the same seed, and another for another", () => {
    const told = (seed: number) => makeWorld({ seed, homes: 20, devices: 60 }).devices.map(({ home, ...own }) => own);
    expect(told(1)).toEqual(told(1));
    expect(told(1)).not.toEqual(told(2));
  });

  test("has a device in each home", () => {
    const { homes, devices } = world();
    expect(homes.every(({ devices: own }) => own.length > 0)).toBe(true);
    expect(devices).toHaveLength(300);
  });

  test("says everything within the day, in order, and mostly what the vocabulary knows", () => {
    const sayings = dayOf(MONDAY);
    expect(sayings.length).toBeGreaterThan(1_000);
    expect(sayings.every(({ at }) => at >= MONDAY && at < MONDAY + DAY_MS + 60_000)).toBe(true);
    expect(sayings.map(({ at }) => at)).toEqual(sayings.map(({ at }) => at).sort((left, right) => left - right));
  });

  test("has people who get up at about the same time each day, and at different times in different homes", () => {
    const hoursOf = (day: number) => {
      const first = new Map<string, number>();
      for (const { device, at, status } of sayingsOfDay(world(), MONDAY + day * DAY_MS, new Random(day))) {
        if (status.power_on !== undefined && !first.has(device.id)) first.set(device.id, (at % DAY_MS) / 3_600_000);
      }
      return first;
    };
    const [one, other] = [hoursOf(0), hoursOf(1)];
    // In no order of time.
    const sorted = [...one].sort(([left], [right]) => left.localeCompare(right));
    const both = sorted.flatMap(([id, hour]) => (other.has(id) ? [[hour, other.get(id) ?? 0] as const] : []));
    const within = median(both.map(([left, right]) => Math.abs(left - right)));
    const between = median(both.map(([left], index) => Math.abs(left - (both[(index + 1) % both.length]?.[1] ?? 0))));
    expect(both.length).toBeGreaterThan(10);
    expect(between).toBeGreaterThan(2 * within);
  });
});

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}
