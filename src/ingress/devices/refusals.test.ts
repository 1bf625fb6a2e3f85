/** Who is told what of a refusal: the device, or the hub that speaks for it, and no one of another person's decision. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Hint, HintedDevice } from "../../model/hint.ts";
import type { DeviceKey, DeviceRef, SubjectTag } from "../../model/ids.ts";
import { REFUSAL_REASONS } from "../../model/outcome.ts";
import { Refusals } from "./refusals.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_795_337_204_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const ref = (device: string, subject: string): DeviceRef => ({
  deviceKey: device as DeviceKey,
  subjectTag: subject as SubjectTag,
});
const HUB = ref("hub", "asha");
const hub: HintedDevice = { key: HUB.deviceKey, ref: HUB, hub: undefined };
const behind = (key: string, subject: string): HintedDevice => ({
  key: key as DeviceKey,
  ref: ref(key, subject),
  hub: HUB,
});
const lamp = behind("lamp", "asha");
const guests = behind("guests", "ravi");

function listening(): { readonly refusals: Refusals; readonly told: unknown[][] } {
  const told: unknown[][] = [];
  return { refusals: new Refusals(({ deviceKey }, ...what) => void told.push([deviceKey, ...what])), told };
}

describe("a hub", () => {
  it("is told of the devices behind it, once a second in all, and each keeps what was refused of it", () => {
    const { refusals, told } = listening();
    refusals.note(lamp, { reason: "not-a-number", rule: 5, path: "battery" });
    refusals.note(guests, { reason: "invalid-payload", rule: 5 });
    refusals.note(hub, { reason: "unknown-device", rule: 5 });
    expect(told).toEqual([["hub", { reason: "not-a-number", rule: 5, path: "battery" }, "lamp"]]);
    vi.advanceTimersByTime(1_000);
    refusals.note(guests, { reason: "invalid-payload", rule: 5 });
    expect(told.slice(1)).toEqual([["hub", { reason: "invalid-payload", rule: 5 }, "guests"]]);
    const reasons = (device: HintedDevice) => refusals.of(device.key).map(({ reason }) => reason);
    expect([hub, lamp, guests].map(reasons)).toEqual([
      ["unknown-device"],
      ["not-a-number"],
      ["invalid-payload", "invalid-payload"],
    ]);
  });

  it("is told of no decision of another person, and that costs it no turn", () => {
    const { refusals, told } = listening();
    const decided: readonly Hint["reason"][] = REFUSAL_REASONS.filter((reason) =>
      /consent|policy|guardian|purpose|hold|recipient/.test(reason),
    );
    expect(decided).toHaveLength(8);
    for (const reason of decided) {
      refusals.note(guests, { reason });
      vi.advanceTimersByTime(1_000);
    }
    expect(told).toEqual([]);
    refusals.note(guests, { reason: "no-consent" });
    refusals.note(lamp, { reason: "no-consent" });
    expect(told).toEqual([["hub", { reason: "not-consented" }, "lamp"]]);
    // Anyone who asks for the device itself is its account service.
    expect(refusals.of(guests.key)).toHaveLength(8);
  });
});
