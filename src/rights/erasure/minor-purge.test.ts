/** No minor's data are erased without an audit line, and nothing is erased twice. */
import { expect, test } from "vitest";
import type { SubjectTag } from "../../model/ids.ts";
import { MinorPurge } from "./minor-purge.ts";

const tag = "t" as SubjectTag;

function purge(due: boolean, fails = false) {
  const done: string[] = [];
  const append = async ({ act }: { act: string }) => {
    if (fails) throw new Error("no audit log");
    return done.push(act);
  };
  const request = async () => {
    done.push("erased");
    return { refused: "unknown-subject" } as const;
  };
  const minors = { mustBePurged: async () => due };
  return { done, minors: new MinorPurge({ minors, audit: { append }, erasures: { request } }) };
}

test("a due purge is audited before the erasure", async () => {
  const { done, minors } = purge(true);
  expect(await minors.purgeIfDue(tag)).toBe(true);
  expect(done).toEqual(["minor-purged", "erased"]);
});

test("a purge that is not due does nothing", async () => {
  const { done, minors } = purge(false);
  expect(await minors.purgeIfDue(tag)).toBe(false);
  expect(done).toEqual([]);
});

test("nothing is erased when the audit line cannot be written", async () => {
  const { done, minors } = purge(true, true);
  await expect(minors.purgeIfDue(tag)).rejects.toThrow("no audit log");
  expect(done).toEqual([]);
});
