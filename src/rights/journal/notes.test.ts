/**
 * Each act becomes the line by which a restore undoes it, and nothing happens after a line that could not be written.
 */
import { expect, test } from "vitest";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Recorded } from "./journal.ts";
import { journalNotes } from "./notes.ts";

const tag = "t" as SubjectTag;
const device = "d" as DeviceKey;
const done: unknown[] = [];
let fails = false;
const record = async (entry: Recorded) => {
  if (fails) throw new Error("disk full");
  done.push(entry);
};
const notes = journalNotes({ record }, { mark: async (of) => done.push(["marked", of]) });
const after = async (...acts: (() => Promise<unknown>)[]) => {
  done.length = 0;
  for (const act of acts) await act();
  return [...done];
};

test("a hold without terms is recorded as its release", async () => {
  const hold = { ref: "r", until: 1 };
  const lines = await after(
    () => notes.holding(tag, "r", hold),
    () => notes.holding(tag, "r", undefined),
  );
  expect(lines).toEqual([
    { what: "held", tag, hold },
    { what: "released", tag, ref: "r" },
  ]);
});

test("archives are searched for a key only after its destruction was recorded", async () => {
  expect(await after(() => notes.erasure(tag, "e", "asked"))).toEqual([{ what: "erasure-asked", tag, erasure: "e" }]);
  const lines = await after(() => notes.erasure(tag, "e", "destroyed"));
  expect(lines).toEqual([{ what: "erased", tag, erasure: "e" }, ["marked", tag]]);
  fails = true;
  await expect(notes.erasure(tag, "e", "destroyed")).rejects.toThrow("disk full");
  fails = false;
  expect(done).toHaveLength(2);
});

test("a revoked token is recorded as a token that no device has", async () => {
  const [first, second] = await after(
    () => notes.tokenEnded(device, 3),
    () => notes.tokenEnded(device, 4),
  );
  expect(first).toMatchObject({ what: "token-issued", device, number: 3 });
  expect((first as { mac: string }).mac).not.toBe((second as { mac: string }).mac);
});

test("a policy that was rejected is not published", async () => {
  const refused = { refused: "policy-invalid" } as never;
  expect(await after(() => notes.published(refused))).toEqual([]);
  const published = { version: 4 } as never;
  expect(await notes.published(published)).toBe(published);
  expect(done).toEqual([{ what: "policy-published", version: 4 }]);
});
