/** Which batches are traced, how a pass finds their admissions, and what a trace says of itself. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../model/errors.ts";
import { ROOT_SPANS, STEP_SPANS } from "../../model/trace.ts";
import { type FinishedTrace, MOST_STEPS } from "./trace.ts";
import { Traces } from "./traces.ts";

const OWN = "b-own";

function setUp({ sampleRatio = 1, stepMs = 1_000 } = {}) {
  const taken: FinishedTrace[] = [];
  const traces = new Traces({ sampleRatio, stepMs }, (trace) => taken.push(trace));
  /** A batch that is queued under this number. */
  const admit = (number: number, error?: unknown): void => {
    const batch = [{ startedAt: performance.now() }];
    traces.begun(batch).queuedAt?.({ origin: OWN, number });
    traces.ended(batch, 1, error);
  };
  const pass = (numbers: readonly number[], origin = OWN, run: () => Promise<void> = async () => undefined) =>
    traces.pass(
      numbers.map((number) => ({ origin, number })),
      OWN,
      numbers.length,
      (trace) => trace.step("consent check", run),
    );
  const named = (name: FinishedTrace["name"]) => taken.filter((trace) => trace.name === name);
  return { taken, traces, admit, pass, named };
}

describe("sampling", () => {
  it("traces the pass of every traced batch, and of no other one", async () => {
    const { admit, pass, named } = setUp({ sampleRatio: 0.3 });
    for (let number = 0; number < 1_000; number += 4) {
      const four = [number, number + 1, number + 2, number + 3];
      for (const one of four) admit(one);
      await pass(four);
    }
    const admissions = named("admission").map(({ id }) => id.spanId);
    expect(admissions.length).toBeGreaterThan(200);
    expect(admissions.length).toBeLessThan(400);
    const linked = named("pass").map(({ links }) => links.map(({ spanId }) => spanId));
    expect(linked.every((links) => links.length > 0)).toBe(true);
    expect(linked.flat()).toEqual(admissions);
  });

  it("draws for the batches of another gateway or of an earlier run, which have no link", async () => {
    const { pass, named } = setUp({ sampleRatio: 0.5 });
    for (let number = 0; number < 400; number += 1) await pass([number], "b-other");
    expect(named("pass").length).toBeGreaterThan(120);
    expect(named("pass").length).toBeLessThan(280);
    expect(named("pass").flatMap(({ links }) => links)).toEqual([]);
  });

  it("of 0 traces nothing, and runs everything", async () => {
    const { taken, admit, pass } = setUp({ sampleRatio: 0 });
    admit(1);
    const ran: string[] = [];
    await pass([1], OWN, async () => void ran.push("the pass"));
    expect({ ran, taken }).toEqual({ ran: ["the pass"], taken: [] });
  });

  it("forgets the oldest of ten thousand batches in the queue", async () => {
    const { admit, pass, named } = setUp();
    for (let number = 0; number <= 10_000; number += 1) admit(number);
    await pass([0, 1, 10_000]);
    expect(named("pass")[0]?.links).toHaveLength(2);
  });
});

describe("a trace", () => {
  it("has random ids, which are no part of anything else", async () => {
    const { admit, pass, taken } = setUp();
    admit(1);
    await pass([1]);
    const ids = taken.flatMap(({ id }) => [id.traceId, id.spanId]);
    expect(new Set(ids).size).toBe(4);
    for (const { id } of taken) {
      expect(id.traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(id.spanId).toMatch(/^[0-9a-f]{16}$/);
    }
  });

  it("tells its begin by the step it lies in", async () => {
    const { admit, taken } = setUp({ stepMs: 60_000 });
    const before = Date.now();
    admit(1);
    const [{ at } = { at: 0 }] = taken;
    expect(at % 60_000).toBe(0);
    expect(before - at).toBeLessThan(60_001);
  });

  it.each([
    ["a code of the table", new GatewayError("SINK_UNAVAILABLE"), "SINK_UNAVAILABLE"],
    ["nothing of a fault but that it was one", new Error("device-4711"), "FAULT"],
  ])("tells %s", async (_, error, outcome) => {
    const { pass, admit, named } = setUp();
    admit(1);
    await expect(pass([1], OWN, () => Promise.reject(error))).rejects.toBe(error);
    const [trace] = named("pass");
    expect([trace?.told.outcome, trace?.steps[0]?.told.outcome]).toEqual([outcome, outcome]);
  });

  it("tells that a batch is not durable, whatever kept it", () => {
    const { admit, named } = setUp();
    admit(1, new Error("waited past its deadline"));
    expect(named("admission")[0]?.told.outcome).toBe("NOT_DURABLE");
  });

  it("tells how a step without a promise ended", () => {
    const { traces, taken } = setUp();
    const batch = [{ startedAt: 0 }];
    const traced = traces.begun(batch);
    expect(traced.step("de-identification", () => 7)).toBe(7);
    const broken = () => {
      throw new GatewayError("LEASE_LOST");
    };
    expect(() => traced.step("settle", broken)).toThrow("LEASE_LOST");
    traced.step("forward", () => undefined, { messages: 0 });
    traces.ended(batch, 0, undefined);
    expect(taken[0]?.steps.map(({ name, told }) => [name, told.outcome])).toEqual([
      ["de-identification", "ok"],
      ["settle", "LEASE_LOST"],
    ]);
  });

  it("of an outage tells the begin, and how much it leaves out", async () => {
    const { traces, taken } = setUp();
    const batch = [{ startedAt: 0 }];
    const traced = traces.begun(batch);
    for (let attempt = 0; attempt < MOST_STEPS + 7; attempt += 1) traced.step("lease", () => undefined);
    traces.ended(batch, 0, undefined);
    expect([taken[0]?.steps.length, taken[0]?.told.stepsLeftOut]).toEqual([MOST_STEPS, 7]);
  });
});

it("no span has the name of another one", () => {
  const names = [...Object.keys(ROOT_SPANS), ...Object.keys(STEP_SPANS)];
  expect(new Set(names).size).toBe(names.length);
});
