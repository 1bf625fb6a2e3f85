/** Nothing of a minor is erased off the record, and nothing is erased twice. */
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

test("what is due is on record before it is erased", async () => {
  const { done, minors } = purge(true);
  expect(await minors.purgeIfDue(tag)).toBe(true);
  expect(done).toEqual(["minor-purged", "erased"]);
});

test("what is not due is left alone", async () => {
  const { done, minors } = purge(false);
  expect(await minors.purgeIfDue(tag)).toBe(false);
  expect(done).toEqual([]);
});

test("without its line nothing is erased", async () => {
  const { done, minors } = purge(true, true);
  await expect(minors.purgeIfDue(tag)).rejects.toThrow("no audit log");
  expect(done).toEqual([]);
});
