import { beforeEach, describe, expect, it } from "vitest";
import { KnownJobs } from "./known-jobs.ts";

describe("KnownJobs", () => {
  let recovered: string[];
  let jobs: KnownJobs;
  beforeEach(() => {
    recovered = [];
    jobs = new KnownJobs((id) => recovered.push(id));
  });

  it("counts a job of an earlier run once it is taken", () => {
    jobs.take("old");
    expect(recovered).toEqual(["old"]);
  });

  it("knows a job whose confirmation comes before, between or after the work on it", () => {
    jobs.announce("a");
    jobs.confirm("a");
    jobs.take("a");
    jobs.finish("a");
    jobs.announce("b");
    jobs.take("b");
    jobs.confirm("b");
    jobs.finish("b");
    jobs.announce("c");
    jobs.take("c");
    jobs.finish("c");
    jobs.confirm("c");
    expect(recovered).toEqual([]);
  });

  it("takes up a job that was disowned, whether the worker had it before or gets it later", () => {
    jobs.announce("before");
    jobs.take("before");
    jobs.disown("before");
    jobs.announce("done");
    jobs.take("done");
    jobs.finish("done");
    jobs.disown("done");
    jobs.announce("later");
    jobs.disown("later");
    expect(recovered).toEqual(["before", "done"]);
    jobs.take("later");
    expect(recovered).toEqual(["before", "done", "later"]);
  });

  it("does not count an attempt again that is repeated within this run", () => {
    jobs.announce("a");
    jobs.confirm("a");
    jobs.take("a");
    jobs.take("a");
    jobs.finish("a");
    expect(recovered).toEqual([]);
  });
});
