/** Only those are told whose consent the change concerns, each of what concerns them, and a fault is no more than a log line. */
import { describe, expect, test } from "vitest";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceId, DeviceKey, DeviceRef, SubjectTag } from "../../model/ids.ts";
import type { PolicyStanding as Standing, Suspension } from "../../model/policy-document.ts";
import type { Purpose } from "../../model/purposes.ts";
import { type ConnectedDevice, Notices, type PolicyChange } from "./policy-notices.ts";

const MATERIAL: PolicyChange = { version: 3, change: "material", suspended: ["analytics", "scene"] };

function device(name: string): ConnectedDevice {
  return { id: name as DeviceId, ref: { deviceKey: name as DeviceKey, subjectTag: "tag" as SubjectTag } };
}

function notices(
  suspended: Record<string, Suspension | undefined>,
  change: PolicyChange | undefined = MATERIAL,
  toConfirm: Record<string, Standing["toConfirm"]> = {},
) {
  const told: Record<string, unknown> = {};
  const logged: unknown[] = [];
  let counted = 0;
  let asked = 0;
  const self = new Notices({
    connected: () => Object.keys(suspended).map(device),
    standings: async (devices: readonly DeviceRef[]) => {
      asked += 1;
      return devices.map(({ deviceKey }) => ({ suspended: suspended[deviceKey], toConfirm: toConfirm[deviceKey] }));
    },
    policyChange: async (version) => {
      if (version === 666) throw new GatewayError("REDIS_UNAVAILABLE");
      return change;
    },
    send: ({ id }, payload) => {
      told[`devices/${id}/notices`] = JSON.parse(payload.toString());
    },
    counted: (count) => {
      counted += count;
    },
    log: { info: () => {}, warn: (event, fields) => void logged.push([event, fields]), error: () => {} },
  });
  return { self, told, logged, counted: () => counted, asked: () => asked };
}

const purposes = (...list: Purpose[]): Suspension => ({ version: 3, purposes: list });

describe("a published policy", () => {
  test("is told to the devices it concerns, with what it takes from each", async () => {
    const { self, told, counted } = notices({
      both: purposes("analytics", "scene"),
      one: purposes("scene", "network"),
      other: purposes("network"),
      none: undefined,
    });
    await self.policyPublished(3);
    expect(told).toEqual({
      "devices/both/notices": {
        type: "policy-change",
        version: 3,
        change: "material",
        purposesSuspended: ["analytics", "scene"],
      },
      "devices/one/notices": { type: "policy-change", version: 3, change: "material", purposesSuspended: ["scene"] },
    });
    expect(counted()).toBe(2);
  });

  test("that asks for consent again is told with what, and until when", async () => {
    const asking: PolicyChange = { version: 3, change: "reconfirm", suspended: [], reconfirm: { purposes: ["scene"] } };
    const waiting = { version: 3, purposes: ["scene" as const], until: 1_900_000_000_000 };
    const { self, told } = notices({ one: undefined, confirmed: undefined }, asking, { one: waiting });
    await self.policyPublished(3);
    expect(told).toEqual({
      "devices/one/notices": {
        type: "policy-change",
        version: 3,
        change: "reconfirm",
        purposesSuspended: [],
        purposesToConfirm: ["scene"],
        confirmUntil: 1_900_000_000_000,
      },
    });
  });

  test("that suspends nothing is told to no one, and consent is not looked at", async () => {
    const { self, told, asked } = notices({ one: purposes("scene") }, { version: 3, change: "minor", suspended: [] });
    await self.policyPublished(3);
    expect([told, asked()]).toEqual([{}, 0]);
  });

  test("asks about many devices a page at a time", async () => {
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`d${index}`, purposes("scene")]));
    const { self, counted, asked } = notices(many);
    await self.policyPublished(3);
    expect([counted(), asked()]).toEqual([1_001, 3]);
  });

  test("that cannot be read is logged by its code", async () => {
    const { self, logged } = notices({});
    await self.policyPublished(666);
    expect(logged).toEqual([["policy notices not sent", { code: "REDIS_UNAVAILABLE", stage: "notices" }]]);
  });
});
