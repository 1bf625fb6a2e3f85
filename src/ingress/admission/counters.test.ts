import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StatusFields } from "../../model/deidentified.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { Vocabulary } from "../../vocabulary/vocabulary.ts";
import { type Counted, Counters } from "./counters.ts";

const VOCABULARY = new Vocabulary();
const HOUR_MS = 3_600_000;
const REF = { deviceKey: "device" as DeviceKey, subjectTag: "anna" as SubjectTag };

function setUp() {
  const counters = new Counters((name) => VOCABULARY.get(name));
  let now = 0;
  const send = (status: StatusFields, more: Partial<Counted> & { after?: number } = {}) => {
    now += more.after ?? HOUR_MS;
    const message = {
      ref: REF,
      revision: 1,
      at: now,
      sub: 0,
      byDevice: true,
      startedAt: now,
      repeat: false,
      status,
      ...more,
    };
    return counters.differences(message);
  };
  return { counters, send, moment: () => now };
}

describe("a counter", () => {
  it("tells what was added since the last message, and nothing at first", () => {
    const { send } = setUp();
    expect(send({ energy: 1_234.567, temperature: 21 })).toEqual({ temperature: 21 });
    expect(send({ energy: 1_234.58 })).toEqual({ energy: 0.02 });
    expect(send({ energy: 1_234.58, temperature: 21 })).toEqual({ temperature: 21 });
    expect(send({ energy: 1_234.589 })).toBeUndefined();
    expect(send({ energy: 1_234.59 })).toEqual({ energy: 0.01 });
  });

  it.each([
    ["falls", 6, 5],
    ["wraps at 2^16", 65_535, 3],
    ["jumps", 10, 5_000],
    ["wraps at 2^32", 2 ** 32 - 1, 1],
  ])("that %s tells nothing, and goes on from there", (_, before, after) => {
    const { send } = setUp();
    send({ energy: before });
    expect(send({ energy: after })).toBeUndefined();
    expect(send({ energy: after + 1 })).toEqual({ energy: 1 });
  });

  it("may grow more in a longer time, and by an hour's worth at any time", () => {
    const { send } = setUp();
    send({ rain: 0 });
    expect(send({ rain: 1_000 }, { after: 5 * HOUR_MS })).toEqual({ rain: 1_000 });
    expect(send({ rain: 1_200 }, { after: 1 })).toEqual({ rain: 200 });
    expect(send({ rain: 1_400.2 }, { after: HOUR_MS / 10 })).toBeUndefined();
    expect(send({ rain: 1_900.2 }, { at: 9 * HOUR_MS, after: 1 })).toEqual({ rain: 500 });
  });

  it("begins again under another consent, another owner, and when it is told to", () => {
    const { counters, send } = setUp();
    send({ water: 1 });
    expect(send({ water: 2 }, { revision: 2 })).toBeUndefined();
    expect(send({ water: 2.5 }, { revision: 2 })).toEqual({ water: 0.5 });
    expect(send({ water: 3 }, { revision: 2, ref: { ...REF, subjectTag: "ben" as SubjectTag } })).toBeUndefined();
    expect(send({ water: 4 }, { revision: 2 })).toBeUndefined();
    counters.forget(REF.deviceKey);
    expect(send({ water: 5 }, { revision: 2 })).toBeUndefined();
  });

  it("tells nothing of a message that comes later than a newer one", () => {
    const { send, moment } = setUp();
    send({ energy: 10 });
    expect(send({ energy: 12 })).toEqual({ energy: 2 });
    const before = moment() - 1;
    expect(send({ energy: 11 }, { at: before })).toBeUndefined();
    expect(send({ energy: 11 }, { startedAt: before })).toBeUndefined();
    // The time of receipt, in place of a clock that was absurd, says nothing about the clock of the device.
    expect(send({ energy: 12 }, { at: moment() + 100 * HOUR_MS, byDevice: false })).toBeUndefined();
    expect(send({ energy: 13 })).toEqual({ energy: 1 });
  });

  it("tells of a repeated message what it told the first time, and that only when this may be lost", () => {
    const { counters, send } = setUp();
    send({ energy: 10 });
    const first = { at: 5 * HOUR_MS, sub: 7 };
    expect(send({ energy: 11 }, first)).toEqual({ energy: 1 });
    expect(send({ energy: 11 }, { ...first, repeat: true })).toBeUndefined();
    counters.doubted(REF, first.at, first.sub, { energy: 1 });
    expect(send({ energy: 11 }, { ...first, repeat: true })).toEqual({ energy: 1 });
    expect(send({ energy: 12 }, { at: 6 * HOUR_MS })).toEqual({ energy: 1 });
  });

  it("sums to what was used, whatever the steps between", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { minLength: 1, maxLength: 200 }), (uses) => {
        const { send } = setUp();
        const start = 4_711.113;
        let total = start;
        let told = 0;
        send({ energy: total });
        for (const used of uses) {
          total += used;
          told += Math.round(((send({ energy: total })?.energy as number | undefined) ?? 0) * 100);
        }
        expect(told).toBe(Math.floor(total / 0.01 + 1e-9) - Math.floor(start / 0.01 + 1e-9));
      }),
    );
  });
});
