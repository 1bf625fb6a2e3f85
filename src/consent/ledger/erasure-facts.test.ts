import { expect, test } from "vitest";
import type { ConsentEvent } from "../../model/consent-record.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { erasureFacts } from "./erasure-facts.ts";

const [HUB, LAMP] = ["H".repeat(22), "L".repeat(22)] as DeviceKey[];
const event = (type: string, more: object = {}) => ({ type, at: 1, ...more }) as unknown as ConsentEvent;
const given = (at: number, purposes: string[], policyVersion = 1) =>
  event("given", { at, policyVersion, purposes: purposes.map((id) => ({ id })) });

test("names every device ever bound, including one unbound long ago", () => {
  const events = [event("bound", { device: HUB }), event("unbound", { device: HUB }), event("bound", { device: LAMP })];
  expect(erasureFacts(events)).toEqual({
    devices: [HUB, LAMP],
    purposes: [],
    since: undefined,
    policyVersion: undefined,
  });
});

test("names every purpose ever consented to, including withdrawn ones, from the first consent on", () => {
  const events = [given(100, ["scene"]), event("withdrawn", { at: 150 }), given(90, ["analytics"], 2)];
  expect(erasureFacts(events)).toMatchObject({ purposes: ["analytics", "scene"], since: 90, policyVersion: 2 });
});

test("starts over after an erasure request, completed or not", () => {
  const before = [
    event("bound", { device: HUB }),
    given(100, ["analytics", "network"]),
    event("erasure-requested", { at: 200 }),
  ];
  expect(erasureFacts(before)).toMatchObject({ devices: [HUB], purposes: [], since: undefined });
  const after = [...before, given(300, ["scene"]), event("erased", { at: 400 })];
  expect(erasureFacts(after)).toMatchObject({ purposes: ["scene"], since: 300 });
});
