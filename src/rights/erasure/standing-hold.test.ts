/** Of several legal holds nothing is erased that any of them covers, for as long as the last of them stands. */
import { expect, test } from "vitest";
import type { DeviceKey } from "../../model/ids.ts";
import { standingHoldOf } from "./standing-hold.ts";

const [lamp, hub, lock] = ["lamp", "hub", "lock"] as DeviceKey[] as [DeviceKey, DeviceKey, DeviceKey];

test("none stands", () => {
  expect(standingHoldOf([])).toBeUndefined();
});

test("the devices of all of them, until the last one ends", () => {
  const holds = [
    { ref: "a", until: 5, devices: [lamp, hub] },
    { ref: "b", until: 9, devices: [hub, lock] },
  ];
  expect(standingHoldOf(holds)).toEqual({ until: 9, devices: new Set([lamp, hub, lock]) });
});

test("one that covers everything leaves nothing to erase", () => {
  const holds = [
    { ref: "a", until: 9, devices: [lamp] },
    { ref: "b", until: 5 },
  ];
  expect(standingHoldOf(holds)).toEqual({ until: 9 });
});
