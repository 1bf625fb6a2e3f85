import { expect, it } from "vitest";
import { AllocationMeter } from "./allocation-meter.ts";

const ARRAYS = 200_000;
const ELEMENTS = 20;
/** 8 bytes an element, and the headers of the array and of its store. */
const BYTES_EACH = 8 * ELEMENTS + 48;

let kept: unknown;

function allocate(): void {
  for (let i = 0; i < ARRAYS; i += 1) kept = new Array(ELEMENTS);
}

it("counts what was allocated, freed or not, and the collections meanwhile", () => {
  const meter = new AllocationMeter();
  allocate();
  const before = meter.read();
  allocate();
  allocate();
  const after = meter.read();
  expect(kept).toBeDefined();
  const bytes = after.bytesAllocated - before.bytesAllocated;
  expect(bytes / (2 * ARRAYS * BYTES_EACH)).toBeGreaterThan(0.98);
  // Threads that run other tests have heaps of their own; the runner's own work on this one is small.
  expect(bytes / (2 * ARRAYS * BYTES_EACH)).toBeLessThan(1.1);
  expect(after.collections.Scavenge ?? 0).toBeGreaterThan(before.collections.Scavenge ?? 0);
});
