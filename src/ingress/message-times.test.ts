import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceKey } from "../model/ids.ts";
import { MessageTimes } from "./message-times.ts";

const device = "device-key" as DeviceKey;
const now = 1_763_800_000_000;
const HOUR = 3_600_000;

function setUp() {
  const counts = { replaced: 0 };
  const times = new MessageTimes({ clockWindowPastMs: HOUR, clockWindowFutureMs: 1000 }, () => {
    counts.replaced += 1;
  });
  return { times, counts };
}

describe("MessageTimes", () => {
  it("takes the device's clock inside the window and the time of receipt outside, and counts that", () => {
    const { times, counts } = setUp();
    expect(times.fix(device, { ts: now - HOUR }, now).at).toBe(now - HOUR);
    expect(times.fix(device, { ts: now + 999.9 }, now).at).toBe(now + 999);
    for (const ts of [0, -1, now - HOUR - 1, now + 1001, 1e300, Number.MAX_SAFE_INTEGER]) {
      expect(times.fix(device, { ts }, now).at).toBe(now);
    }
    expect(counts.replaced).toBe(6);
  });

  it("gives a redelivered message id the time it had first", () => {
    const { times } = setUp();
    const first = times.fix(device, { id: "m-1" }, now);
    expect(times.fix(device, { id: "m-1" }, now + 5000)).toEqual(first);
    expect(times.fix("another" as DeviceKey, { id: "m-1" }, now + 5000).at).toBe(now + 5000);
  });

  it("separates messages of the same millisecond", () => {
    const { times } = setUp();
    const seen = new Set(Array.from({ length: 5000 }, () => times.fix(device, {}, now).sub));
    expect(seen.size).toBe(5000);
  });

  it("keeps the sub-millisecond digits in range for any id", () => {
    const { times } = setUp();
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 64 }), (id) => {
        const { sub } = times.fix(device, { id }, now);
        expect(Number.isInteger(sub) && sub >= 0 && sub < 1_000_000).toBe(true);
      }),
    );
  });
});
