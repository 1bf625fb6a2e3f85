/** Dead letters are put back or deleted one by one, and those under a legal hold are left as they are. */
import { beforeEach, describe, expect, it } from "vitest";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { DeadLetter } from "../queue/dead-letters.ts";
import type { Sealed } from "../queue/envelope.ts";
import { DeadLetterActs } from "./dead-letters.ts";

const letterOf = (id: string, at: number, more: Partial<DeadLetter> = {}): DeadLetter => ({
  id,
  at,
  reason: "sink-rejected",
  messages: 1,
  sealed: `sealed ${id}` as unknown as Sealed,
  deviceKey: `device of ${id}` as DeviceKey,
  subjectTag: `subject of ${id}` as SubjectTag,
  ...more,
});

let stored: Map<string, DeadLetter>;
let happened: string[];
let held: Set<string>;
let acts: DeadLetterActs;

beforeEach(() => {
  stored = new Map([letterOf("late", 2), letterOf("early", 1)].map((one) => [one.id, one]));
  happened = [];
  held = new Set();
  acts = new DeadLetterActs({
    letters: {
      async *list() {
        yield* [...stored.values()];
      },
      get: async (id) => stored.get(id),
      shapes: () => [{ fields: ["status"], statusKeys: { co2: "number" } }],
      claim: async (id) => stored.get(id),
      remove: async ({ id }) => {
        happened.push(`removed ${id}`);
        return stored.delete(id);
      },
    },
    producer: { add: async (sealed) => void happened.push(`queued ${sealed}`) },
    held:
      async () =>
      ({ subjectTag }) =>
        held.has(subjectTag),
    guard: async (subjects, work) => {
      happened.push(`guarded ${subjects.size}`);
      await work();
    },
    perform: async (act, count, work) => {
      happened.push(`${act} ${count}`);
      happened.push(`reached ${await work()}`);
    },
  });
});

describe("dead letters", () => {
  it("are listed from the oldest on, and inspected without what they hold", async () => {
    expect((await acts.list()).map(({ id }) => id)).toEqual(["early", "late"]);
    expect(await acts.inspect("late")).toEqual({
      letter: stored.get("late"),
      shapes: [{ fields: ["status"], statusKeys: { co2: "number" } }],
    });
    stored.set("shut", letterOf("shut", 3, { reason: "unopenable" }));
    expect((await acts.inspect("shut"))?.shapes).toEqual([]);
    expect(await acts.inspect("none")).toBeUndefined();
  });

  it("are put back into the queue first and removed then, within the lines of the audit log", async () => {
    expect(await acts.replay("late")).toEqual({ done: 1, held: 0 });
    expect(happened).toEqual([
      "dead-letters-replayed 1",
      "guarded 1",
      "queued sealed late",
      "removed late",
      "reached 1",
    ]);
  });

  it("that do not open, or that another operator has claimed, are not put back", async () => {
    stored.set("late", letterOf("late", 2, { sealed: undefined }));
    expect(await acts.replay("all")).toEqual({ done: 1, held: 0 });
    expect([...stored.keys()]).toEqual(["late"]);
    expect(happened).toContain("reached 1");
  });

  it("under a legal hold are left, also when it was placed meanwhile", async () => {
    held.add("subject of late");
    expect(await acts.purge("late")).toEqual({ done: 0, held: 1 });
    expect(happened).toEqual([]);
    expect(await acts.purge("all")).toEqual({ done: 1, held: 1 });
    expect(happened.slice(0, 3)).toEqual(["dead-letters-purged 1", "guarded 2", "removed early"]);
  });

  it("that are not there are no act", async () => {
    expect(await acts.purge("none")).toEqual({ done: 0, held: 0 });
    expect(happened).toEqual([]);
  });

  it("are taken in groups, and the holds are read again for each", async () => {
    stored = new Map(Array.from({ length: 201 }, (_, n) => letterOf(`l${n}`, n)).map((one) => [one.id, one]));
    expect(await acts.purge("all")).toEqual({ done: 201, held: 0 });
    expect(happened.filter((what) => what.startsWith("guarded"))).toEqual(["guarded 100", "guarded 100", "guarded 1"]);
  });
});
