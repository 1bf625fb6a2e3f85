import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { RawMessage } from "../model/raw.ts";
import type { Watch } from "../model/watch.ts";
import { Gather } from "./gather.ts";

const message = (name: string): RawMessage => ({ at: name }) as unknown as RawMessage;
let number = 0;
const place = () => {
  number += 1;
  return { origin: "a", number, part: "" };
};
const batch = (names: string[], begunBefore = false) => ({
  id: names.join(),
  place: place(),
  size: names.length,
  begunBefore,
  open: () => names.map(message),
});

interface Pass {
  readonly names: unknown[];
  readonly begunBefore: boolean;
  readonly watch: Watch | undefined;
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

function setUp(passesInFlight = 1, maxMessages = 3, restMs = 0) {
  const passes: Pass[] = [];
  const gather = new Gather({ passesInFlight, maxMessages, restMs }, (messages, begunBefore, watch) => {
    return new Promise((resolve, reject) => {
      passes.push({ names: messages.map(({ at }) => at), begunBefore, watch, done: resolve, fail: reject });
    });
  });
  return { gather, passes };
}

describe("Gather", () => {
  it("starts a single batch at once, and groups waiting ones up to the limit", async () => {
    const { gather, passes } = setUp();
    const alone = gather.add(batch(["a"]));
    await turn();
    const settled = [alone, ...[["b"], ["c", "d"], ["e"]].map((names) => gather.add(batch(names)))];
    await turn();
    expect(passes.map(({ names }) => names)).toEqual([["a"]]);
    passes[0]?.done();
    await settled[0];
    await turn();
    await turn();
    expect(passes[1]?.names).toEqual(["b", "c", "d"]);
    passes[1]?.done();
    await Promise.all([settled[1], settled[2]]);
    await turn();
    await turn();
    passes[2]?.done();
    await settled[3];
  });

  it("lets few batches rest between passes, and starts when many wait", async () => {
    const { gather, passes } = setUp(1, 100, 60_000);
    const first = gather.add(batch(["after a rest"]));
    await turn();
    expect(passes).toHaveLength(1);
    passes[0]?.done();
    await first;
    const names = Array.from({ length: 16 }, (_, index) => `${index}`);
    for (const name of names.slice(1)) gather.add(batch([name]));
    await turn();
    await turn();
    expect(passes).toHaveLength(1);
    gather.add(batch(["the last"]));
    await turn();
    expect(passes[1]?.names).toEqual([...names.slice(1), "the last"]);
  });

  it("opens a batch only when its pass begins", async () => {
    const { gather, passes } = setUp();
    let opened = 0;
    const open = () => {
      opened += 1;
      return [message("b")];
    };
    gather.add(batch(["a"]));
    await turn();
    gather.add({ id: "", place: place(), size: 1, begunBefore: false, open });
    await turn();
    expect(opened).toBe(0);
    passes[0]?.done();
    await turn();
    await turn();
    expect(opened).toBe(1);
  });

  it("fails a batch that does not open, and continues with the others", async () => {
    const { gather, passes } = setUp();
    const first = gather.add(batch(["a"]));
    await turn();
    const broken = gather.add({
      id: "",
      place: place(),
      size: 1,
      begunBefore: false,
      open: () => {
        throw new Error("cannot be opened");
      },
    });
    const good = gather.add(batch(["b"]));
    passes[0]?.done();
    await first;
    await expect(broken).rejects.toThrow("cannot be opened");
    await turn();
    expect(passes[1]?.names).toEqual(["b"]);
    passes[1]?.done();
    await good;
  });

  it("continues after a pass with only broken batches", async () => {
    const { gather, passes } = setUp();
    await expect(
      gather.add({
        id: "",
        place: place(),
        size: 1,
        begunBefore: false,
        open: () => {
          throw new Error("broken");
        },
      }),
    ).rejects.toThrow();
    await turn();
    gather.add(batch(["a"]));
    await turn();
    expect(passes.map(({ names }) => names)).toEqual([["a"]]);
  });

  it("passes a failure to every batch of the pass, and reports when one of them was begun before", async () => {
    const { gather, passes } = setUp(1, 10);
    gather.add(batch(["a"])).catch(() => undefined);
    await turn();
    const both = [gather.add(batch(["b"])), gather.add(batch(["c"], true))];
    passes[0]?.done();
    await turn();
    await turn();
    expect([passes[0]?.begunBefore, passes[1]?.begunBefore]).toEqual([false, true]);
    passes[1]?.fail(new Error("stopped"));
    for (const one of both) await expect(one).rejects.toThrow("stopped");
  });

  it("processes a batch under suspicion alone, and has each of its attempts watched", async () => {
    const { gather, passes } = setUp(2, 10);
    const watch = <T>(attempt: () => Promise<T>): Promise<T> => attempt();
    const settled = [batch(["a"]), { ...batch(["s"]), watch }, batch(["b"]), batch(["c"])].map((one) =>
      gather.add(one),
    );
    await turn();
    expect(passes.map(({ names }) => names)).toEqual([["a"]]);
    passes[0]?.done();
    await settled[0];
    await turn();
    await turn();
    expect(passes.map(({ names, watch }) => [names, watch])).toEqual([
      [["a"], undefined],
      [["s"], watch],
    ]);
    passes[1]?.done();
    await settled[1];
    await turn();
    await turn();
    expect(passes[2]).toMatchObject({ names: ["b", "c"], watch: undefined });
  });

  it("waits for a batch announced before, but no longer once it is dropped", async () => {
    const { gather, passes } = setUp(1, 10);
    const [first, second, third] = [batch(["a"]), batch(["b"]), batch(["c"])];
    gather.announce(first.place);
    gather.announce(second.place);
    gather.add(third);
    await turn();
    gather.add(second);
    await turn();
    expect(passes).toEqual([]);
    gather.drop(first.place);
    await turn();
    expect(passes.map(({ names }) => names)).toEqual([["b", "c"]]);
  });
});
