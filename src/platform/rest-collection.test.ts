import { describe, expect, it } from "vitest";
import { RestCollection } from "./rest-collection.ts";

const MIB = 1_048_576;

function setUp(heapUsedBytes = 300 * MIB) {
  const at = { received: 0, collections: 0, heapUsedBytes };
  const rest = new RestCollection({
    received: () => at.received,
    heapUsedBytes: () => at.heapUsedBytes,
    collect: () => {
      at.collections += 1;
    },
  });
  const look = (came: number) => {
    at.received += came;
    rest.look();
    return at.collections;
  };
  return { at, look };
}

describe("memory at rest", () => {
  it("is collected once after each load, and never during one", () => {
    const { look } = setUp();
    expect([look(0), look(50_000), look(3), look(0), look(0), look(0)]).toEqual([0, 0, 0, 1, 1, 1]);
    expect([look(1), look(0), look(0)]).toEqual([1, 2, 2]);
  });

  it("is left alone where there is little of it", () => {
    const { look } = setUp(60 * MIB);
    expect([look(10), look(0), look(0)]).toEqual([0, 0, 0]);
  });
});
