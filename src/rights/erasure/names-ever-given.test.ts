import fc from "fast-check";
import { expect, test } from "vitest";
import type { ErasureFacts } from "../../model/erasure.ts";
import type { DeviceKey, Pseudonym } from "../../model/ids.ts";
import { epochsBetween, liveNames } from "./names-ever-given.ts";

const DAY_MS = 86_400_000;
const NOW = 1_800_000_000_000;

test("the epoch of every admitted message is included", () => {
  const lengths = fc.uniqueArray(fc.integer({ min: 1, max: 31 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(lengths, fc.nat(400 * DAY_MS), fc.nat(400 * DAY_MS), fc.nat(1_000), (days, span, at, which) => {
      const lengthsMs = days.map((day) => day * DAY_MS);
      const message = NOW - span + (at % (span + 1));
      const length = lengthsMs[which % lengthsMs.length] ?? DAY_MS;
      expect(epochsBetween(NOW - span, NOW, lengthsMs)).toContain(Math.floor(message / length));
    }),
  );
});

const facts: ErasureFacts = { devices: ["A", "B"] as DeviceKey[], purposes: ["analytics"], since: NOW - 10 * DAY_MS };
const input = {
  facts,
  wrappedSubjectKey: "key",
  purpose: "analytics",
  times: { epochLengthsMs: [7 * DAY_MS], clockWindowPastMs: DAY_MS, clockWindowFutureMs: 300_000 },
  nowMs: NOW,
  keyring: {
    pseudonym: (key: string, device: DeviceKey, purpose: string, epoch: number) =>
      `${key} ${device} ${purpose} ${epoch}` as Pseudonym,
  },
} as const;

test("names every device in every epoch, including those of a device clock behind or ahead", async () => {
  const first = Math.floor((NOW - 11 * DAY_MS) / (7 * DAY_MS));
  const last = Math.floor((NOW + 300_000) / (7 * DAY_MS));
  const names = await liveNames(input);
  expect(names).toHaveLength(2 * (last - first + 1));
  expect(names).toContain(`key A analytics ${first}`);
  expect(names).toContain(`key B analytics ${last}`);
  expect(new Set(names).size).toBe(names.length);
});

test("looks for names of hours only where a status is stored", async () => {
  const times = { ...input.times, epochLengthsMs: [7 * DAY_MS, DAY_MS / 4] };
  const named = async (purpose: "analytics" | "place" | "scene" | "network") =>
    (await liveNames({ ...input, purpose, times })).length;
  const days = (await liveNames(input)).length;
  // Eleven days and five minutes, of which the first and the last quarter are not whole.
  expect(await named("analytics")).toBe(days + 2 * (11 * 4 + 1));
  expect([await named("place"), await named("scene"), await named("network")]).toEqual([days, days, days]);
});

test("names for rows before a time only those that begin until a day later, and those of the present", async () => {
  const times = { ...input.times, epochLengthsMs: [DAY_MS / 4] };
  const rowsBeforeMs = NOW - 5 * DAY_MS;
  const all = await liveNames({ ...input, times });
  const some = await liveNames({ ...input, times, rowsBeforeMs });
  const isWanted = (name: string): boolean => {
    const quarter = Number(name.split(" ").at(-1));
    return (quarter * DAY_MS) / 4 <= rowsBeforeMs + DAY_MS || quarter >= Math.floor((4 * (NOW - DAY_MS)) / DAY_MS);
  };
  expect(some.toSorted()).toEqual(all.filter(isWanted).toSorted());
  expect(some.length).toBeLessThan(all.length);
  expect(some.length).toBeGreaterThan(0);
});

test("names nothing without any consent ever given", async () => {
  expect(await liveNames({ ...input, facts: { ...facts, since: undefined } })).toEqual([]);
});
