/** Counts reach the record once each, whatever fails on the way. */
import { describe, expect, it } from "vitest";
import type { Recipient } from "../../model/disclosure.ts";
import type { SubjectTag } from "../../model/ids.ts";
import { Accounting } from "./disclosure-accounting.ts";

const SCENE: Recipient = { index: 0, name: "lights", purpose: "scene", region: "IN", contract: undefined };
const WEATHER: Recipient = { index: 1, name: "sky", purpose: "weather", region: "IN", contract: undefined };
const DAY = "2026-03-07";
const tag = (text: string) => text as SubjectTag;

function record(maxLines = 10_000) {
  const calls: [number: number, counts: [string, string, number][]][] = [];
  const self = { failures: 0, waiting: Promise.resolve() };
  const accounting = new Accounting(
    { recipients: [SCENE, WEATHER], maxLines },
    {
      open: async () => undefined,
      add: async (number, counts) => {
        await self.waiting;
        calls.push([number, counts.map(([{ subject, recipient }, count]) => [subject, recipient.name, count])]);
        if (self.failures-- > 0) throw new Error("no answer");
      },
    },
  );
  return Object.assign(self, { accounting, calls });
}

describe("counts", () => {
  it("are added by line, and only what came since the last time", async () => {
    const { accounting, calls } = record();
    const one = accounting.account(tag("one"), 1, DAY);
    const two = accounting.account(tag("two"), 1, DAY);
    await accounting.open([
      [one, SCENE],
      [one, WEATHER],
      [two, SCENE],
    ]);
    accounting.count(one, SCENE);
    accounting.count(one, SCENE);
    accounting.count(one, WEATHER);
    accounting.count(two, SCENE);
    await accounting.flush();
    await accounting.flush();
    accounting.count(two, SCENE);
    await accounting.flush();
    expect(calls).toEqual([
      [
        1,
        [
          ["one", "lights", 2],
          ["one", "sky", 1],
          ["two", "lights", 1],
        ],
      ],
      [2, [["two", "lights", 1]]],
    ]);
    expect([accounting.isOpen(one, SCENE), accounting.isOpen(two, WEATHER)]).toEqual([true, false]);
  });

  it("that got no answer are sent again as they were, before anything newer", async () => {
    const test = record();
    const { accounting, calls } = test;
    const one = accounting.account(tag("one"), 1, DAY);
    await accounting.open([[one, SCENE]]);
    accounting.count(one, SCENE);
    test.failures = 1;
    await expect(accounting.flush()).rejects.toThrow("no answer");
    accounting.count(one, SCENE);
    accounting.count(one, SCENE);
    await accounting.flush();
    expect(calls).toEqual([
      [1, [["one", "lights", 1]]],
      [1, [["one", "lights", 1]]],
      [2, [["one", "lights", 2]]],
    ]);
  });

  it("of subjects that were forgotten meanwhile are added all the same", async () => {
    const { accounting, calls } = record(1);
    const subjects = Array.from({ length: 3_000 }, (_, index) => tag(`subject-${index}`));
    for (const subject of subjects) {
      const account = accounting.account(subject, 1, DAY);
      await accounting.open([[account, SCENE]]);
      accounting.count(account, SCENE);
    }
    await accounting.flush();
    const counted = calls.flatMap(([, counts]) => counts);
    expect(counted).toHaveLength(3_000);
    expect(Math.max(...calls.map(([, counts]) => counts.length))).toBe(200);
    expect(accounting.isOpen(accounting.account(tag("subject-0"), 1, DAY), SCENE)).toBe(false);
    expect(accounting.isOpen(accounting.account(tag("subject-2999"), 1, DAY), SCENE)).toBe(true);
  });

  it("are sent by one call at a time", async () => {
    const test = record();
    const { accounting, calls } = test;
    const one = accounting.account(tag("one"), 1, DAY);
    await accounting.open([[one, SCENE]]);
    accounting.count(one, SCENE);
    let answer = () => {};
    test.waiting = new Promise((resolve) => {
      answer = resolve;
    });
    const both = [accounting.flush(), accounting.flush()];
    answer();
    await Promise.all(both);
    expect(calls).toHaveLength(1);
  });
});
