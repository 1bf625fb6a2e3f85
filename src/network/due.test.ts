/** When a name is told: at its minute, or at the step after a change; and nothing of that says when a message came. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../model/durations.ts";
import type { Pseudonym } from "../model/ids.ts";
import type { NetworkNote, ToldNetwork } from "../model/network.ts";
import { dueOf, minuteOf, type Step } from "./due.ts";

const STEP_MS = 5 * MINUTE_MS;
const EPOCH_MS = 7 * DAY_MS;
const EPOCH_START = 2_957 * EPOCH_MS;
const SAYS = { model: "hub", ipPrefix: "203.0.0.0/16" };
const MINUTE = 17 * MINUTE_MS;

const stepAt = (at: number): Step => ({ at, epochStart: at - (at % EPOCH_MS), roundMs: HOUR_MS });
const hour = (number: number) => EPOCH_START + DAY_MS + number * HOUR_MS;
const told = (at: number, more: Partial<ToldNetwork> = {}): ToldNetwork => ({
  ...SAYS,
  epochStart: EPOCH_START,
  at,
  changedAt: 0,
  ...more,
});

/** The steps at which it is told, from one time to another, with what it says at each. */
function tellings(from: number, to: number, note: Pick<NetworkNote, "since" | "told">, says: (at: number) => object) {
  const times: number[] = [];
  let { told: last } = note;
  for (let at = from - (from % STEP_MS); at < to; at += STEP_MS) {
    const due = dueOf({ since: note.since, told: last }, says(at), MINUTE, stepAt(at));
    if (due === undefined) continue;
    times.push(at);
    last = told(at, { ...says(at), epochStart: stepAt(at).epochStart, changedAt: due === "changed" ? at : 0 });
  }
  return times;
}

describe("a name", () => {
  it("is told once an hour, at the step of its minute, whatever is said meanwhile", () => {
    const times = tellings(hour(0), hour(5), { since: hour(-9), told: told(hour(-1) + 20 * MINUTE_MS) }, () => SAYS);
    expect(times).toEqual([0, 1, 2, 3, 4].map((number) => hour(number) + 20 * MINUTE_MS));
  });

  it("that is new waits for its minute as well, so that no time of a message can be read from it", () => {
    for (const minute of [0, 1, 16]) {
      const since = hour(0) + minute * MINUTE_MS;
      expect(tellings(since, hour(1), { since }, () => SAYS)).toEqual([hour(0) + 20 * MINUTE_MS]);
    }
    for (const minute of [17, 18, 59]) {
      const since = hour(0) + minute * MINUTE_MS;
      expect(tellings(since, hour(2), { since }, () => SAYS)).toEqual([hour(1) + 20 * MINUTE_MS]);
    }
  });

  it("is told under its next name in the first hour of an epoch, without any message in it, and not at its begin", () => {
    const begin = EPOCH_START + EPOCH_MS;
    const note = { since: hour(0), told: told(begin - 40 * MINUTE_MS) };
    expect(tellings(begin - STEP_MS, begin + 2 * HOUR_MS, note, () => SAYS)).toEqual([
      begin + 20 * MINUTE_MS,
      begin + HOUR_MS + 20 * MINUTE_MS,
    ]);
  });

  it("is told once for all the hours in which no gateway was there to tell it", () => {
    const note = { since: hour(-9), told: told(hour(-5)) };
    expect(tellings(hour(0), hour(0) + 20 * MINUTE_MS, note, () => SAYS)).toEqual([hour(0)]);
  });
});

describe("a change", () => {
  const changed = { ...SAYS, ipPrefix: "198.51.0.0/16" };

  it("is told at the next step, and not at the one in which it was noted", () => {
    const since = hour(0) + 31 * MINUTE_MS;
    const note = { since, told: told(hour(0) + 20 * MINUTE_MS) };
    expect(dueOf(note, changed, MINUTE, stepAt(hour(0) + 30 * MINUTE_MS))).toBeUndefined();
    expect(dueOf(note, changed, MINUTE, stepAt(hour(0) + 35 * MINUTE_MS))).toBe("changed");
    expect(dueOf(note, SAYS, MINUTE, stepAt(hour(0) + 35 * MINUTE_MS))).toBeUndefined();
  });

  it("counts once between two minutes, so that who says another prefix with each message is told no more of it", () => {
    const note = { since: hour(0) - 1, told: told(hour(-1) + 20 * MINUTE_MS) };
    const times = tellings(hour(0), hour(3), note, (at) => ({
      ...SAYS,
      ipPrefix: `203.${(at / STEP_MS) % 256}.0.0/16`,
    }));
    expect(times).toEqual([0, 20, 25, 80, 85, 140, 145].map((minutes) => hour(0) + minutes * MINUTE_MS));
  });
});

describe("clocks", () => {
  it("that were ahead or went back keep nothing waiting for that day", () => {
    const note = { since: hour(9_000), told: told(hour(8_000)) };
    expect(dueOf(note, SAYS, MINUTE, stepAt(hour(1)))).toBe("at its minute");
    expect(dueOf({ since: hour(9_000) }, SAYS, MINUTE, stepAt(hour(1)))).toBe("at its minute");
  });

  it("aside, no name is told more than once for each of its minutes and once between two of them", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(11), { maxLength: 24 }), fc.nat(59), (says, minute) => {
        let last: ToldNetwork | undefined;
        const times: number[] = [];
        for (let step = 0; step < 24; step += 1) {
          const at = hour(0) + step * STEP_MS;
          const now = { ipPrefix: `prefix ${says[step] ?? 0}` };
          const due = dueOf({ since: at - 1, told: last }, now, minute * MINUTE_MS, stepAt(at));
          if (due === undefined) continue;
          times.push(at);
          last = { ...now, epochStart: EPOCH_START, at, changedAt: due === "changed" ? at : 0 };
        }
        const between = (from: number) => times.filter((at) => at > from && at < from + HOUR_MS).length;
        const minuteMs = hour(0) + minute * MINUTE_MS;
        for (const from of [minuteMs - HOUR_MS, minuteMs, minuteMs + HOUR_MS])
          expect(between(from)).toBeLessThanOrEqual(2);
      }),
    );
  });
});

describe("the minute", () => {
  it("differs between names and between epochs, and covers the hour evenly", () => {
    const key = Buffer.alloc(32, 5);
    const name = (n: number) => `name-${n}` as Pseudonym;
    const minutes = Array.from({ length: 6_000 }, (_, n) => minuteOf(key, name(n), 1, HOUR_MS) / MINUTE_MS);
    const counts = Array.from({ length: 60 }, (_, minute) => minutes.filter((one) => one === minute).length);
    expect(counts.reduce((sum, count) => sum + count)).toBe(6_000);
    for (const count of counts) expect(Math.abs(count - 100)).toBeLessThan(50);
    const again = minutes.filter((one, n) => minuteOf(key, name(n), 2, HOUR_MS) / MINUTE_MS === one).length;
    expect(again).toBeLessThan(200);
    expect(minuteOf(Buffer.alloc(32, 6), name(1), 1, HOUR_MS)).not.toBe(minuteOf(key, name(1), 1, HOUR_MS));
  });
});
