/** FollowedDevices of devices: bounded in number, lines and time, each for who began it alone, and gone with the owner of the device. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { DeviceKey } from "../model/ids.ts";
import { FollowedDevices } from "./followed-devices.ts";

const LAMP = "lamp" as DeviceKey;
const PLUG = "plug" as DeviceKey;
const ADMITTED = { step: "admission", outcome: "admitted" } as const;

let traces: FollowedDevices;
let stands: boolean;
beforeEach(() => {
  stands = true;
  vi.useFakeTimers();
  traces = new FollowedDevices({ mostMs: 600_000, most: 3, mostOfOwner: 2, mostLines: 5 });
});
afterEach(() => vi.useRealTimers());

function begun(device: DeviceKey, owner = "anna"): string {
  const trace = traces.start(device, owner, () => stands);
  if (trace === undefined) throw new Error("too many");
  return trace.id;
}

it("holds what is told of its device while it runs, and nothing of another", () => {
  const id = begun(LAMP);
  traces.tell(LAMP, { ...ADMITTED, ms: 3 });
  traces.tell(PLUG, ADMITTED);
  expect(traces.get(id, "anna")?.lines).toEqual([{ at: Date.now(), ...ADMITTED, ms: 3 }]);
  expect(traces.running).toBe(1);
});

it("ends by itself, and what it holds can still be read", () => {
  const id = begun(LAMP);
  traces.tell(LAMP, ADMITTED);
  vi.advanceTimersByTime(600_000);
  traces.tell(LAMP, ADMITTED);
  expect(traces.get(id, "anna")).toMatchObject({ ended: "time", lines: [{ outcome: "admitted" }] });
  expect(traces.running).toBe(0);
});

it("ends when it is full", () => {
  const id = begun(LAMP);
  for (let count = 0; count < 50; count += 1) traces.tell(LAMP, ADMITTED);
  expect(traces.get(id, "anna")).toMatchObject({ ended: "full", lines: { length: 5 } });
});

it("there are so many at a time, and so many of one owner, of whom an ended one makes room", () => {
  const first = begun(LAMP);
  begun(PLUG);
  expect(traces.start(LAMP, "anna", () => stands)).toBeUndefined();
  begun(LAMP, "berta");
  expect(traces.start(LAMP, "carla", () => stands)).toBeUndefined();
  vi.advanceTimersByTime(600_000);
  expect(traces.start(LAMP, "anna", () => stands)).toBeDefined();
  expect(traces.get(first, "anna")).toBeUndefined();
});

it("is for who began it, and is gone with them", () => {
  const id = begun(LAMP);
  expect(traces.get(id, "berta")).toBeUndefined();
  expect(traces.forget(id, "berta")).toBe(false);
  traces.ownerGone("anna");
  expect([traces.of("anna"), traces.running]).toEqual([[], 0]);
});

it("says nothing more once the device has another owner, nor what it said before", () => {
  const id = begun(LAMP);
  traces.tell(LAMP, ADMITTED);
  traces.deviceChanged(LAMP);
  traces.tell(LAMP, ADMITTED);
  expect(traces.get(id, "anna")).toMatchObject({ ended: "changed", lines: [] });
});

it("says nothing more of any device, nor what it said before, once it is not known which have changed hands", () => {
  const ids = [begun(LAMP), begun(PLUG)];
  traces.tell(LAMP, ADMITTED);
  traces.allChanged();
  for (const id of ids) expect(traces.get(id, "anna")).toMatchObject({ ended: "changed", lines: [] });
});

it("does not begin for who is gone, and is not kept at its end for them", () => {
  begun(LAMP);
  stands = false;
  expect(traces.start(PLUG, "anna", () => stands)).toBeUndefined();
  vi.advanceTimersByTime(600_000);
  expect([traces.of("anna"), traces.running]).toEqual([[], 0]);
});

it("an ended one makes no room while no other can begin", () => {
  const ended = begun(LAMP);
  vi.advanceTimersByTime(600_000);
  for (const owner of ["anna", "berta", "carla"]) begun(PLUG, owner);
  expect(traces.start(LAMP, "anna", () => stands)).toBeUndefined();
  expect(traces.get(ended, "anna")).toMatchObject({ ended: "time" });
});
