/** What a message makes of the last scene of a device, and how long that is current. */
import { describe, expect, it } from "vitest";
import { DAY_MS, MINUTE_MS } from "../model/durations.ts";
import type { DeviceKey, DeviceRef, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { NotedScene, SceneNote } from "../model/scene.ts";
import type { Replacement, SealedRecord } from "../platform/sealed-records.ts";
import { SceneNoting } from "./scene-noting.ts";
import { currentScene, noted, SCENE_COVERAGE, SCENE_FORM } from "./scene-record.ts";

const EPOCH_MS = 7 * DAY_MS;
const NOW = 2_957 * EPOCH_MS + DAY_MS;
const clock = { now: NOW, aheadMs: 5 * MINUTE_MS };
const note = (at: number, more: Partial<SceneNote> = {}): SceneNote => ({
  scene: { model: "hub", status: { battery: 80 }, at: at - (at % 1_000) },
  at,
  revision: 3,
  ...more,
});
const name = (at: number) => `name of epoch ${Math.floor(at / EPOCH_MS)}` as Pseudonym;

describe("the last scene", () => {
  it("is that of the newest message by its own time; of two of the same moment the later one", () => {
    const first = note(NOW - 10);
    expect(noted(undefined, first, clock)).toEqual(first);
    expect(noted(first, note(NOW - 11), clock)).toBe(first);
    const same = note(NOW - 10, { scene: { status: { battery: 79 }, at: NOW } });
    expect(noted(first, same, clock)).toEqual(same);
    expect(noted(first, note(NOW - 10), clock)).toBe(first);
  });

  it("of a clock that was ahead is replaced by the next message", () => {
    const ahead = note(NOW + DAY_MS);
    expect(noted(ahead, note(NOW), clock)).toEqual(note(NOW));
    const little = note(NOW + MINUTE_MS);
    expect(noted(little, note(NOW), clock)).toBe(little);
  });

  it("is sealed as a text that says the same, with and without a model", () => {
    for (const one of [note(NOW), note(NOW, { scene: { status: { power_on: true, mode: "cool" }, at: 0 } })]) {
      expect(SCENE_FORM.decode(SCENE_FORM.encode(one))).toEqual(one);
    }
  });

  it("without a status is none; without the model it has none", () => {
    expect(SCENE_COVERAGE.limitedTo(note(NOW), ["model"])).toBeUndefined();
    expect(SCENE_COVERAGE.limitedTo(note(NOW), ["status"])?.scene).not.toHaveProperty("model");
    const whole = note(NOW);
    expect(SCENE_COVERAGE.limitedTo(whole, ["status", "model"])).toBe(whole);
  });
});

describe("what is current", () => {
  const moment = { now: NOW, forMs: 30 * MINUTE_MS, epochMs: EPOCH_MS };
  it("is as it was told, under the name of its epoch, and marked", () => {
    const { scene, at } = note(NOW - 30 * MINUTE_MS);
    const told = currentScene(note(at), name, moment);
    expect(told).toEqual({ at, result: { scene: { ...scene, device: "name of epoch 2957", current: true } } });
  });

  it("is nothing that is older, and nothing under a name that has ended", () => {
    expect(currentScene(note(NOW - 30 * MINUTE_MS - 1), name, moment)).toBeUndefined();
    const begin = { ...moment, now: 2_957 * EPOCH_MS + 1 };
    expect(currentScene(note(2_957 * EPOCH_MS - 1), name, begin)).toBeUndefined();
    expect(currentScene(note(2_957 * EPOCH_MS), name, begin)).toBeDefined();
  });
});

it("noting takes what is new enough, and of each device the newest", async () => {
  const records = new Map<string, string>();
  const store = {
    read: async (devices: readonly DeviceRef[]) => devices.map(({ deviceKey }) => records.get(deviceKey) ?? ""),
    open: ({ sealed }: SealedRecord) => SCENE_FORM.decode(sealed),
    replace: async (replacements: readonly Replacement<SceneNote>[]) =>
      replacements.map(({ device, was, record }) => {
        if ((records.get(device.deviceKey) ?? "") !== was || record === undefined) return false;
        records.set(device.deviceKey, SCENE_FORM.encode(record.content));
        return true;
      }),
  };
  const noting = new SceneNoting(store, { aheadMs: 0, now: () => NOW }, 30 * MINUTE_MS);
  const said = (device: string, at: number): NotedScene => ({
    ...note(at),
    device: { deviceKey: device as DeviceKey, subjectTag: "s" as SubjectTag },
    wrappedSubjectKey: "key",
  });
  const old = NOW - 30 * MINUTE_MS - 1;
  expect(await noting.note([said("a", NOW - 2), said("a", NOW - 1), said("b", old)])).toEqual([true, true, false]);
  expect([...records]).toEqual([["a", SCENE_FORM.encode(note(NOW - 1))]]);
});
