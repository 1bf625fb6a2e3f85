/** A queue key is removed only when nothing is sealed under it and no such batch can be in transit. */
import { describe, expect, test } from "vitest";
import { planRotation, sealsUnder } from "./rotation.ts";

const keys = { active: "q2", ids: ["q1", "q2"], activeForMs: 100 };
const report = (queue: string[], sealing: string[]) => ({
  queue: Object.fromEntries(queue.map((id) => [id, "x"])),
  sealing,
});
const none = new Map<string, number>();

describe("a key may be removed", () => {
  test("when nothing is sealed under it", () => {
    expect(planRotation(keys, 1_000, { reports: [], seals: none }).spent).toEqual(["q1"]);
    expect(planRotation(keys, 1_000, { reports: [], seals: new Map([["q1", 1]]) }).spent).toEqual([]);
  });

  test("not while a gateway seals under it, or does not report its sealing key", () => {
    for (const sealing of [["q1", "q2"], []])
      expect(planRotation(keys, 1_000, { reports: [report(["q1", "q2"], sealing)], seals: none }).spent).toEqual([]);
    expect(sealsUnder("q1", { reports: [report(["q1"], ["q1"])], seals: none })).toBe("sealing");
  });

  test("never while it is the current one", () => {
    expect(planRotation({ ...keys, active: "q1" }, 1_000, { reports: [], seals: none }).spent).toEqual(["q2"]);
  });
});

describe("a new key is due", () => {
  test("once the current one has reached its maximum age", () => {
    expect(planRotation(keys, 100, { reports: [], seals: none }).rotate).toBe(false);
    expect(planRotation(keys, 99, { reports: [], seals: none }).rotate).toBe(true);
  });

  test("not while a gateway holds a key that is missing here", () => {
    const reports = [report(["q1", "q2", "q3"], ["q2"])];
    expect(planRotation(keys, 99, { reports, seals: none }).rotate).toBe(false);
  });
});
