import { beforeEach, describe, expect, it } from "vitest";
import { HALVES, halfOf, JobIds } from "./job.ts";
import { KnownJobs } from "./known-jobs.ts";

const SIZE = { messages: 10, bytes: 100 };

describe("KnownJobs", () => {
  let recovered: string[];
  let handedOver: string[];
  let jobs: KnownJobs;
  beforeEach(() => {
    recovered = [];
    handedOver = [];
    jobs = new KnownJobs({ recovered: (id) => recovered.push(id), handedOver: (id) => handedOver.push(id) });
  });

  it("counts a job of another run or gateway as recovered once it is completed", () => {
    const foreign = new JobIds().next(SIZE);
    jobs.settle(foreign);
    expect(recovered).toEqual([foreign]);
  });

  it("knows a job of its own whose confirmation comes before or after the work on it", () => {
    const [first, second] = [jobs.announce(SIZE), jobs.announce(SIZE)];
    jobs.confirm(first);
    jobs.settle(first);
    jobs.settle(second);
    jobs.confirm(second);
    expect(recovered).toEqual([]);
  });

  it("counts a disowned job as recovered, whether it was completed before or later", () => {
    const [before, later] = [jobs.announce(SIZE), jobs.announce(SIZE)];
    jobs.settle(before);
    expect(recovered).toEqual([]);
    jobs.disown(before);
    jobs.disown(later);
    expect(recovered).toEqual([before]);
    jobs.settle(later);
    expect(recovered).toEqual([before, later]);
  });

  it("hands over what another gateway completed, but not what was counted as refused", () => {
    const [settled, early, disowned, both] = [1, 2, 3, 4].map(() => jobs.announce(SIZE)) as [string, ...string[]];
    jobs.confirm(settled);
    jobs.handOver(settled);
    jobs.handOver(early as string);
    expect(handedOver).toEqual([settled]);
    jobs.confirm(early as string);
    jobs.disown(disowned as string);
    jobs.handOver(disowned as string);
    jobs.handOver(both as string);
    jobs.disown(both as string);
    expect(handedOver).toEqual([settled, early]);
    expect(recovered).toEqual([]);
  });

  it("treats the parts of a batch like the batch", () => {
    const own = jobs.announce(SIZE);
    jobs.confirm(own);
    const disowned = jobs.announce(SIZE);
    jobs.disown(disowned);
    const halves = (id: string) => HALVES.map((half) => halfOf(id, half, { messages: 5, bytes: 50 }));
    for (const half of [...halves(own), ...halves(disowned)]) jobs.settle(half);
    expect(recovered).toEqual(halves(disowned));
  });
});
