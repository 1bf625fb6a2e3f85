/** Binding a device and placing a hold are answered as done only when no batch of the time before can still write. */
import { beforeEach, expect, test } from "vitest";
import { DELETION_OF_ALL, deletionOf } from "../model/erasure.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { bindDevice, unbindDevice } from "./device-acts.ts";
import { placeHold } from "./holds.ts";
import type { DevicePorts, HoldPorts } from "./ports.ts";

const TAG = "subject" as SubjectTag;
const FORMER = "former owner" as SubjectTag;
const DEVICE = "device" as DeviceKey;
const HOLD = { ref: "court:1", until: 1 };

let happened: string[];
/** Whose batches do not end in time. */
let busy: string | undefined;
let state: "proposed" | "standing";
let bound: boolean;

const ports = {
  ledger: {
    bind: async () => ({ silenced: [{ subject: FORMER, devices: [DEVICE] }] }),
    unbind: async () => (bound ? { silenced: [DEVICE] } : undefined),
  },
  leases: {
    drain: async (concerned: string) => {
      happened.push(`drained ${concerned}`);
      return { drained: concerned !== busy, waitedMs: 0 };
    },
  },
  tidyRecords: async () => void happened.push("tidied"),
  purgeDeadLetters: async (subject: SubjectTag, devices: readonly DeviceKey[]) =>
    void happened.push(`purged ${subject} ${devices.join(" ")}`),
  holds: { place: async () => ({ state }) },
} as unknown as DevicePorts & HoldPorts;

beforeEach(() => {
  happened = [];
  busy = undefined;
  state = "standing";
  bound = true;
});

test("a device is bound once it is silent for who had it before, and not before", async () => {
  expect(await bindDevice(ports, TAG, DEVICE)).toEqual({});
  expect(happened).toEqual(["drained device", "tidied", "purged former owner device"]);
  busy = DEVICE;
  expect(await bindDevice(ports, TAG, DEVICE)).toEqual({ refused: "not-drained" });
});

test("a device is unbound once it is silent; one that was not bound is waited for all the same", async () => {
  expect(await unbindDevice(ports, TAG, DEVICE)).toEqual({});
  expect(happened).toEqual(["drained device", "tidied", "purged subject device"]);
  bound = false;
  expect(await unbindDevice(ports, TAG, DEVICE)).toEqual({ refused: "device-not-bound" });
  busy = DEVICE;
  expect(await unbindDevice(ports, TAG, DEVICE)).toEqual({ refused: "not-drained" });
});

test("a hold that is proposed waits for nothing; one that stands, for what uses and for what deletes", async () => {
  state = "proposed";
  expect(await placeHold(ports, TAG, HOLD, "legal")).toEqual({ state });
  expect(happened).toEqual([]);
  state = "standing";
  expect(await placeHold(ports, TAG, HOLD, "legal")).toEqual({ state });
  for (const one of [TAG, deletionOf(TAG), DELETION_OF_ALL]) {
    expect(happened).toContain(`drained ${one}`);
    busy = one;
    expect(await placeHold(ports, TAG, HOLD, "legal")).toEqual({ refused: "not-drained" });
  }
});
