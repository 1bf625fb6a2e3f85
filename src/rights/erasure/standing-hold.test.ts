/** With several legal holds, nothing is erased that one of them covers until the last of them has ended. */
import { expect, test } from "vitest";
import type { DeviceKey } from "../../model/ids.ts";
import { standingHoldOf } from "./standing-hold.ts";

const [lamp, hub, lock] = ["lamp", "hub", "lock"] as DeviceKey[] as [DeviceKey, DeviceKey, DeviceKey];

test("without holds there is no combined hold", () => {
  expect(standingHoldOf([])).toBeUndefined();
});

test("covers the devices of all holds until the last one ends", () => {
  const holds = [
    { ref: "a", until: 5, devices: [lamp, hub] },
    { ref: "b", until: 9, devices: [hub, lock] },
  ];
  expect(standingHoldOf(holds)).toEqual({ until: 9, devices: new Set([lamp, hub, lock]) });
});

test("covers all devices if one hold does", () => {
  const holds = [
    { ref: "a", until: 9, devices: [lamp] },
    { ref: "b", until: 5 },
  ];
  expect(standingHoldOf(holds)).toEqual({ until: 9 });
});
