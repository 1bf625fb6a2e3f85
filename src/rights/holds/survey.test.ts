/** The age of the oldest legal hold counts from its first placement, and only standing holds count. */
import { expect, test } from "vitest";
import type { SubjectTag } from "../../model/ids.ts";
import { holdSurvey } from "./survey.ts";

const held = (ref: string, at: number) => ({ type: "held", ref, at });
const ledgers: Record<string, [object[], string[]]> = {
  anna: [[held("a", 10), held("b", 40), held("b", 70)], ["b"]],
  boris: [[held("c", 60)], ["c"]],
};
const read = async (tag: SubjectTag) => {
  const [events, standing] = ledgers[tag] ?? [];
  if (events === undefined) throw new Error("broken");
  return { events, state: { holds: new Map(standing?.map((ref) => [ref, {}])) } } as never;
};

test("counts subjects and returns the age of the oldest standing hold", async () => {
  expect(await holdSurvey(["boris", "anna"] as SubjectTag[], read, 100)).toEqual({ open: 2, oldestMs: 60 });
});

test("an unreadable ledger is counted but has no age", async () => {
  expect(await holdSurvey(["carla"] as SubjectTag[], read, 100)).toEqual({ open: 1, oldestMs: 0 });
});
