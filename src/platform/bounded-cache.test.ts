import { expect, test } from "vitest";
import { boundedCache } from "./bounded-cache.ts";

test("holds no more than its limit, and drops the least recently used", () => {
  const cache = boundedCache<string, number>(3);
  for (const [index, key] of ["a", "b", "c"].entries()) cache.set(key, index);
  cache.get("a");
  cache.set("d", 3);
  expect([...cache.keys()].toSorted()).toEqual(["a", "c", "d"]);
  expect(cache.size).toBe(3);
});

test("uses no memory for what it does not hold", () => {
  const before = process.memoryUsage();
  const caches = Array.from({ length: 20 }, () => boundedCache<string, number>(1_000_000));
  const after = process.memoryUsage();
  expect(caches).toHaveLength(20);
  // Allocated in advance it would be 16 MB and more for each.
  expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(16 * 1024 * 1024);
});
