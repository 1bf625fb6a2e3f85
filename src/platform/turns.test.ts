import { setImmediate as turnOfLoop } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Turns } from "./turns.ts";

describe("Turns", () => {
  it("runs the last steps in the order of entering, whichever work is done first", async () => {
    const turns = new Turns();
    const order: string[] = [];
    const first = turns.enter();
    const second = turns.enter();
    const third = turns.enter();
    for (const [name, turn] of [
      ["third", third],
      ["second", second],
      ["first", first],
    ] as const) {
      turn.mine.then(() => {
        order.push(name);
        turn.leave();
      });
      await turnOfLoop();
    }
    await third.mine;
    await turnOfLoop();
    expect(order).toEqual(["first", "second", "third"]);
  });

  it("skips turns that leave early", async () => {
    const turns = new Turns();
    const first = turns.enter();
    const second = turns.enter();
    second.leave();
    const third = turns.enter();
    let reached = false;
    third.mine.then(() => {
      reached = true;
    });
    await turnOfLoop();
    expect(reached).toBe(false);
    first.leave();
    await third.mine;
  });
});
