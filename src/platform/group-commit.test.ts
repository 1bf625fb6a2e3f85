import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DeadlinePassed, GroupCommit, type GroupCommitOptions } from "./group-commit.ts";

/** No deadline that a busy machine could miss, but where a test is about one. */
const OPTIONS: GroupCommitOptions = { maxItems: 3, maxBytes: 100, flushesInFlight: 2, beatMs: 0, deadlineMs: 60_000 };

/** Beats and deadlines of these tests come when they say so. */
function clockByHand(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
}
afterEach(() => {
  vi.useRealTimers();
});

class Item {
  readonly startedAt = performance.now();
  follows = false;
  readonly name: string;
  readonly weight: number;
  constructor(name: string, weight: number) {
    this.name = name;
    this.weight = weight;
  }
}

const names = (batch: readonly Item[]): string[] => batch.map(({ name }) => name);

interface Flush {
  readonly batch: readonly string[];
  readonly done: () => void;
  readonly fail: (error: unknown) => void;
  readonly signal: AbortSignal;
}

function setUp(options: Partial<GroupCommitOptions> = {}) {
  const flushes: Flush[] = [];
  const settled: { batch: readonly string[]; error: unknown }[] = [];
  const state = { held: false };
  const commit = new GroupCommit<Item>(
    { ...OPTIONS, ...options },
    {
      flush: (batch, signal) =>
        new Promise((resolve, reject) => flushes.push({ batch: names(batch), done: resolve, fail: reject, signal })),
      settle: (batch, error) => settled.push({ batch: names(batch), error }),
      held: () => state.held,
    },
  );
  return { commit, flushes, settled, state };
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await turn();
};

describe("GroupCommit", () => {
  it("flushes the arrivals of one event-loop turn as one batch, and collects while all slots are in use", async () => {
    const { commit, flushes } = setUp();
    for (const item of ["a", "b"]) commit.add(new Item(item, 1));
    await turn();
    expect(flushes.map(({ batch }) => batch)).toEqual([["a", "b"]]);
    commit.add(new Item("c", 1));
    await turn();
    for (const item of ["d", "e"]) commit.add(new Item(item, 1));
    await turn();
    expect(flushes).toHaveLength(2);
    flushes[0]?.done();
    await until(() => flushes.length === 3);
    expect(flushes[2]?.batch).toEqual(["d", "e"]);
  });

  it("collects few until the next beat, also behind a flush, and does not let many wait for it", async () => {
    clockByHand();
    const beatMs = 400;
    const { commit, flushes } = setUp({ maxItems: 100, flushesInFlight: 1, beatMs, deadlineMs: 10_000 });
    vi.advanceTimersByTime(Math.ceil(beatMs - (performance.now() % beatMs)) + 40);
    commit.add(new Item("a", 1));
    await turn();
    vi.advanceTimersByTime(200);
    commit.add(new Item("b", 1));
    await turn();
    vi.advanceTimersByTime(beatMs - 240 - 2);
    expect(flushes).toEqual([]);
    vi.advanceTimersByTime(3);
    expect(flushes).toHaveLength(1);
    expect(flushes[0]?.batch).toEqual(["a", "b"]);
    commit.add(new Item("c", 1));
    flushes[0]?.done();
    await turn();
    await turn();
    expect(flushes).toHaveLength(1);
    const many = Array.from({ length: 63 }, (_, index) => `${index}`);
    for (const item of many) commit.add(new Item(item, 1));
    await turn();
    expect(flushes[1]?.batch).toEqual(["c", ...many]);
  });

  it("keeps the limits of a batch, but never rejects a single large item", async () => {
    const { commit, flushes } = setUp({ flushesInFlight: 9 });
    for (const [item, bytes] of [
      ["a", 60],
      ["b", 60],
      ["c", 500],
      ["d", 1],
      ["e", 1],
      ["f", 1],
      ["g", 1],
    ] as const) {
      commit.add(new Item(item, bytes));
    }
    await turn();
    expect(flushes.map(({ batch }) => batch)).toEqual([["a"], ["b"], ["c"], ["d", "e", "f"], ["g"]]);
  });

  it("completes in the order of arrival even when a later batch is durable first", async () => {
    const { commit, flushes, settled } = setUp();
    commit.add(new Item("first", 1));
    await turn();
    commit.add(new Item("second", 1));
    await turn();
    flushes[1]?.done();
    await turn();
    expect(settled).toEqual([]);
    flushes[0]?.done();
    await until(() => settled.length === 2);
    expect(settled.map(({ batch }) => batch)).toEqual([["first"], ["second"]]);
  });

  it("passes the error to the failed batch and continues with the next", async () => {
    const { commit, flushes, settled } = setUp({ flushesInFlight: 1 });
    commit.add(new Item("a", 1));
    await turn();
    commit.add(new Item("b", 1));
    flushes[0]?.fail(new Error("gone"));
    await until(() => flushes.length === 2);
    flushes[1]?.done();
    await until(() => settled.length === 2);
    expect(settled.map(({ error }) => error instanceof Error)).toEqual([true, false]);
  });

  it("abandons a flush that exceeds the deadline and aborts its signal", async () => {
    const { commit, flushes, settled } = setUp({ deadlineMs: 20 });
    commit.add(new Item("a", 1));
    await until(() => settled.length === 1);
    expect(settled[0]?.error).toBeInstanceOf(DeadlinePassed);
    expect(flushes[0]?.signal.aborted).toBe(true);
  });

  it("counts the deadline from arrival: an item that waited has less time left", async () => {
    clockByHand();
    const { commit, flushes, settled } = setUp({ deadlineMs: 10_000 });
    commit.add(Object.assign(new Item("a", 1), { startedAt: performance.now() - 9_900 }));
    await turn();
    vi.advanceTimersByTime(99);
    expect(flushes[0]?.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    await until(() => settled.length === 1);
    expect(flushes[0]?.signal.aborted).toBe(true);
  });

  it("flushes nothing while held, and expires what has waited too long", async () => {
    const { commit, flushes, settled, state } = setUp({ deadlineMs: 40 });
    state.held = true;
    commit.start();
    commit.add(new Item("a", 1));
    await until(() => settled.length === 1);
    expect(flushes).toHaveLength(0);
    expect(settled[0]?.error).toBeInstanceOf(DeadlinePassed);
    await commit.stop();
  });

  it("stop flushes and completes what is waiting", async () => {
    const { commit, flushes, settled } = setUp();
    commit.start();
    commit.add(new Item("a", 1));
    const stopped = commit.stop();
    await until(() => flushes.length === 1);
    flushes[0]?.done();
    await stopped;
    expect(settled).toEqual([{ batch: ["a"], error: undefined }]);
  });
});
