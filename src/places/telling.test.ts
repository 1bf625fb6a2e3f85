/** What a step does with the record of one device. */
import { latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import type { CellId, DeviceKey } from "../model/ids.ts";
import type { PlaceRecord } from "../model/place.ts";
import { DAY_MS } from "./record.ts";
import { laterBy, MOST_LATER, type Step, tellingOf } from "./telling.ts";

const STEP_MS = 900_000;
const EPOCH_MS = 7 * DAY_MS;
const EPOCH = 2_950 * EPOCH_MS;
const HERE = latLngToCell(12.9716, 77.5946, 6) as CellId;
const THERE = latLngToCell(40.4, -3.7, 6) as CellId;
const WIDE = latLngToCell(40.4, -3.7, 4) as CellId;
const tellable = new Map([
  [HERE, HERE],
  [THERE, WIDE],
]);
/** The begin of the first step of the fourth day of an epoch. */
const AT = EPOCH + 3 * DAY_MS;

function stepAt(now: number): Step {
  return { number: Math.floor(now / STEP_MS), stepMs: STEP_MS, now, epochMs: EPOCH_MS };
}

const seen = (cell: CellId, at: number, more: Partial<PlaceRecord> = {}): PlaceRecord => ({
  cell,
  at,
  since: at,
  revision: 1,
  ...more,
});
const told = (cell: CellId, as = cell, epochStart = EPOCH, writtenAt = AT) => ({
  cell,
  as,
  epochStart,
  writtenAt,
  revision: 1,
});

describe("the first place of an epoch", () => {
  it("is written at the next step, and not within the one in which it was seen", () => {
    const one = seen(HERE, AT + 1);
    expect(tellingOf(one, tellable, stepAt(AT + STEP_MS - 1))).toMatchObject({ act: "nothing", waits: true });
    expect(tellingOf(one, tellable, stepAt(AT + STEP_MS))).toEqual({
      act: "write",
      told: told(HERE, HERE, EPOCH, AT + STEP_MS),
      resolution: 6,
    });
  });

  it("is written in a wider cell, or not, as the others allow", () => {
    expect(tellingOf(seen(THERE, AT), tellable, stepAt(AT + STEP_MS))).toMatchObject({
      act: "write",
      told: { cell: THERE, as: WIDE },
      resolution: 4,
    });
    expect(tellingOf(seen(HERE, AT), new Map(), stepAt(AT + STEP_MS))).toEqual({ act: "nothing", waits: true });
  });

  it("belongs to the epoch in which it was seen, also when that ends within the step", () => {
    const end = EPOCH + EPOCH_MS;
    expect(tellingOf(seen(HERE, end - 1), tellable, stepAt(end + STEP_MS))).toMatchObject({
      act: "write",
      told: { epochStart: EPOCH },
    });
    const next = seen(HERE, end, { since: AT, told: told(HERE, HERE, EPOCH, end - 1) });
    expect(tellingOf(next, tellable, stepAt(end + 1))).toMatchObject({ act: "nothing", waits: true });
    expect(tellingOf(next, tellable, stepAt(end + STEP_MS))).toMatchObject({ told: { epochStart: end } });
  });
});

describe("another place", () => {
  it("is written when it was the newest through a whole step, and not before", () => {
    const moved = seen(THERE, AT + 1, { told: told(HERE) });
    for (const now of [AT + 2, AT + STEP_MS, AT + 2 * STEP_MS - 1])
      expect(tellingOf(moved, tellable, stepAt(now))).toMatchObject({ act: "nothing", waits: true });
    expect(tellingOf(moved, tellable, stepAt(AT + 2 * STEP_MS))).toMatchObject({
      act: "write",
      told: { cell: THERE, as: WIDE },
    });
  });

  it("waits up to two steps more, drawn for each device and move, so that the way someone has come since is not known", () => {
    const moved = seen(THERE, AT + 1, { told: told(HERE) });
    for (const later of [0, 1, 2]) {
      const at = (steps: number) => tellingOf(moved, tellable, stepAt(AT + steps * STEP_MS), () => later).act;
      expect([at(1 + later), at(2 + later)]).toEqual(["nothing", "write"]);
    }
    const draws = Array.from({ length: 600 }, (_, n) => laterBy(Buffer.alloc(32), `d${n % 20}` as DeviceKey, AT + n));
    for (let later = 0; later <= MOST_LATER; later += 1)
      expect(draws.filter((draw) => draw === later).length).toBeGreaterThan(150);
    expect(laterBy(Buffer.alloc(32, 1), "d" as DeviceKey, AT)).toBe(laterBy(Buffer.alloc(32, 1), "d" as DeviceKey, AT));
  });

  it("within the cell that is told already is written over itself, so that it is known what is told", () => {
    const near = latLngToCell(40.41, -3.5, 6) as CellId;
    const wide = new Map([
      [THERE, WIDE],
      [near, WIDE],
    ]);
    const moved = seen(near, AT, { told: told(THERE, WIDE) });
    expect(tellingOf(moved, wide, stepAt(AT + 2 * STEP_MS))).toMatchObject({ told: { cell: near, as: WIDE } });
  });

  it("that was noted by a clock far ahead does not wait for that day, one that was a little ahead does", () => {
    const at = (ahead: number) => seen(THERE, AT, { since: AT + ahead, told: told(HERE) });
    expect(tellingOf(at(365 * DAY_MS), tellable, stepAt(AT + 2 * STEP_MS)).act).toBe("write");
    expect(tellingOf(at(STEP_MS), tellable, stepAt(AT + 2 * STEP_MS)).act).toBe("nothing");
  });

  it("of a device that jumps at every step between two continents is never written", () => {
    for (let step = 1; step < 8; step += 1) {
      const at = AT + step * STEP_MS - 7;
      const jumping = seen(step % 2 === 0 ? HERE : THERE, at, { told: told(HERE) });
      const telling = tellingOf(jumping, tellable, stepAt(AT + step * STEP_MS));
      expect(telling.act).toBe("nothing");
    }
  });
});

describe("a place that is told", () => {
  it("keeps the consent under which it was admitted, also while another one waits", () => {
    const fewer = new Map([[HERE, WIDE]]);
    const moved = seen(THERE, AT + 1, { revision: 7, told: told(HERE) });
    expect(tellingOf(moved, fewer, stepAt(AT + 2))).toMatchObject({ told: { cell: HERE, as: WIDE, revision: 1 } });
    expect(tellingOf(moved, tellable, stepAt(AT + 2 * STEP_MS))).toMatchObject({ told: { cell: THERE, revision: 7 } });
  });

  it("is told more widely as soon as too few are left around it, and goes when no one else is there", () => {
    const one = seen(HERE, AT, { told: told(HERE) });
    const fewer = new Map([[HERE, WIDE]]);
    expect(tellingOf(one, fewer, stepAt(AT + 1))).toMatchObject({ act: "write", told: { as: WIDE } });
    expect(tellingOf(one, new Map(), stepAt(AT + 1))).toEqual({ act: "remove", epochStart: EPOCH });
  });

  it("is written once a day again, and no more often", () => {
    const one = (now: number) => tellingOf(seen(HERE, now, { since: AT, told: told(HERE) }), tellable, stepAt(now)).act;
    expect(one(AT + 23 * 3_600_000)).toBe("nothing");
    expect(one(AT + 24 * 3_600_000)).toBe("write");
  });

  it("stands when the device is silent for days, however many are still there", () => {
    const silent = seen(HERE, AT, { told: told(HERE) });
    expect(tellingOf(silent, new Map(), stepAt(AT + 2 * DAY_MS))).toEqual({ act: "nothing", waits: false });
  });
});
