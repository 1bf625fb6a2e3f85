import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AnalyticsRecord } from "../../model/deidentified.ts";
import type { CellId, Pseudonym } from "../../model/ids.ts";
import { type BatchLocations, CurrentLocations } from "./current-locations.ts";

const REFRESH_MS = 60_000;

/** `sub`: what tells it from other messages of its millisecond; smaller for the later one, which must not matter. */
function told(device: string, at: number, cell: string, sub = 999_999 - at): AnalyticsRecord {
  const location = { cell: cell as CellId, resolution: 5, epochStart: 0 };
  return { device: device as Pseudonym, timestampNs: `${1_000_000 + at}${String(sub).padStart(6, "0")}`, location };
}

function confirm(locations: CurrentLocations, records: readonly AnalyticsRecord[], chosen: BatchLocations): void {
  for (const index of chosen.values()) locations.confirm(records[index] as AnalyticsRecord);
}

describe("CurrentLocations", () => {
  it("selects the newest place of each device in a batch, whatever the order", () => {
    const batch = [told("a", 2, "x"), told("b", 1, "x"), told("a", 3, "y"), told("a", 1, "z"), told("b", 1, "y")];
    expect([...new CurrentLocations(REFRESH_MS).select(batch)]).toEqual([
      ["a", 2],
      ["b", 4],
    ]);
  });

  it("takes the later of two places that were told in one millisecond, whatever the digits below it", () => {
    const locations = new CurrentLocations(REFRESH_MS);
    const batch = [told("a", 1, "x", 9), told("a", 1, "y", 5)];
    expect([...locations.select(batch)]).toEqual([["a", 1]]);
    confirm(locations, batch, locations.select(batch));
    expect([...locations.select([told("a", 1, "z", 1)])]).toEqual([["a", 0]]);
    expect(locations.select([told("a", 0, "w", 99)]).size).toBe(0);
  });

  it("ends with the newest place in the store for any sequence of batches, and rewrites none without need", () => {
    const message = fc.record({ device: fc.constantFrom("a", "b"), at: fc.nat(9), cell: fc.constantFrom("x", "y") });
    const sizes = fc.array(fc.array(message, { maxLength: 4 }), { maxLength: 8 });
    fc.assert(
      fc.property(sizes, (batches) => {
        const locations = new CurrentLocations(REFRESH_MS);
        const store = new Map<string, AnalyticsRecord>();
        const newest = new Map<string, number>();
        for (const batch of batches) {
          const records = batch.map(({ device, at }) => told(device, at, `cell at ${at}`));
          const chosen = locations.select(records);
          for (const [device, index] of chosen) {
            const record = records[index];
            if (record === undefined) throw new Error("no such record");
            expect(store.get(device)?.location?.cell).not.toBe(record.location?.cell);
            store.set(device, record);
          }
          confirm(locations, records, chosen);
          for (const { device, at } of batch) newest.set(device, Math.max(at, newest.get(device) ?? 0));
          for (const [device, at] of newest) expect(store.get(device)?.location?.cell).toBe(`cell at ${at}`);
        }
      }),
    );
  });

  it("writes again what was not confirmed, was forgotten, or with no time to remember", () => {
    const locations = new CurrentLocations(REFRESH_MS);
    const batch = [told("a", 1, "x")];
    expect(locations.select(batch).size).toBe(1);
    expect(locations.select(batch).size).toBe(1);
    confirm(locations, batch, locations.select(batch));
    expect(locations.select([told("a", 2, "x")]).size).toBe(0);
    locations.forget(["a" as Pseudonym]);
    expect(locations.select([told("a", 3, "x")]).size).toBe(1);
    const forgetful = new CurrentLocations(0);
    confirm(forgetful, batch, forgetful.select(batch));
    expect(forgetful.select(batch).size).toBe(1);
  });

  it("lets batches of the same device pass one after the other, and others side by side", async () => {
    const locations = new CurrentLocations(REFRESH_MS);
    const events: string[] = [];
    const gates = new Map<string, () => void>();
    const write = (name: string) => () => {
      events.push(`${name} starts`);
      return new Promise<void>((open) => gates.set(name, open)).then(() => void events.push(`${name} ends`));
    };
    const batch = (...devices: string[]) => new Map(devices.map((device) => [device as Pseudonym, 0]));
    const first = locations.inOrder(batch("a", "b"), write("first"));
    const second = locations.inOrder(batch("b"), write("second"));
    const third = locations.inOrder(batch("c"), write("third"));
    expect(events).toEqual(["first starts", "third starts"]);
    gates.get("third")?.();
    await third;
    gates.get("first")?.();
    await first;
    await Promise.resolve();
    expect(events.slice(2, 4)).toEqual(["third ends", "first ends"]);
    await new Promise((turn) => setImmediate(turn));
    expect(events.at(-1)).toBe("second starts");
    gates.get("second")?.();
    await second;
  });

  it("is not held up by a batch that failed", async () => {
    const locations = new CurrentLocations(REFRESH_MS);
    const batch = new Map([["a" as Pseudonym, 0]]);
    await expect(locations.inOrder(batch, () => Promise.reject(new Error("down")))).rejects.toThrow("down");
    let ran = false;
    await locations.inOrder(batch, async () => {
      ran = true;
    });
    expect(ran).toBe(true);
  });
});
