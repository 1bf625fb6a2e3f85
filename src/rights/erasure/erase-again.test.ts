/** An erasure lost in a Redis rollback is begun again once, and leaves no record where there is nothing to erase. */
import { expect, test } from "vitest";
import type { BegunErasure } from "../../consent/ledger/subject-erasure.ts";
import type { SubjectTag } from "../../model/ids.ts";
import { eraseAgain } from "./erase-again.ts";

const tag = "t" as SubjectTag;
const ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

async function again(events: readonly string[], begun: BegunErasure) {
  const open = new Set<string>();
  const asked: unknown[] = [];
  const records = {
    register: async (id: string) => void open.add(id),
    unregister: async (id: string) => void open.delete(id),
  };
  const begin = async (_: SubjectTag, request: unknown) => {
    asked.push(request);
    return begun;
  };
  const result = await eraseAgain(events, records as never, { begin }, tag, ID);
  return { result, open: [...open], asked };
}
const begun = { id: ID, fence: 1 } as BegunErasure;
const other = JSON.stringify({ type: "given" });

test("an erasure missing from the ledger is begun, in the name of the controller", async () => {
  const { result, open, asked } = await again([other], begun);
  expect([result, open, asked]).toEqual([true, [ID], [{ id: ID, by: "controller", method: "restore" }]]);
});

test("an erasure in the ledger is left unchanged", async () => {
  const known = JSON.stringify({ type: "erasure-requested", erasure: ID });
  expect(await again([other, known], begun)).toEqual({ result: false, open: [], asked: [] });
});

test.each([
  ["the subject is unknown", { refused: "unknown-subject" } as BegunErasure],
  ["an earlier erasure covers it", { id: "e0", fence: 1 } as BegunErasure],
])("no record remains where %s", async (_name, answer) => {
  const { result, open } = await again([other], answer);
  expect([result, open]).toEqual([false, []]);
});

test("a lost ledger cannot be repaired and is reported", async () => {
  await expect(again([], begun)).rejects.toMatchObject({ code: "REDIS_ROLLED_BACK" });
});
