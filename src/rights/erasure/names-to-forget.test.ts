/** Which of the noted names a notice of erasure has. */
import { expect, test } from "vitest";
import type { Pseudonym, SubjectTag } from "../../model/ids.ts";
import { namesToForget } from "./names-to-forget.ts";

const EPOCH_MS = 7 * 86_400_000;
const NOW = 2_957 * EPOCH_MS;

type Parameter<Index extends 0 | 1 | 2> = Parameters<typeof namesToForget>[Index];

/** With lists that go back far enough, so that nothing is worked out. */
const parts = {
  ports: { now: () => NOW, forwarded: { since: async () => 1 }, services: () => [] },
  records: { times: async () => ({ epochLengthsMs: [EPOCH_MS], clockWindowFutureMs: 0 }) },
} as unknown as Parameter<2>;
const record = {
  fields: {},
  facts: { purposes: ["scene"], devices: [] },
  subject: "S" as SubjectTag,
} as unknown as Parameter<1>;

const noted = (name: string, until: number) => ({
  purpose: "scene" as const,
  recipient: "lights",
  name: name as Pseudonym,
  until,
  note: "",
});

test("leaves out what a service had to drop by itself up to now, though it still stands on the list", async () => {
  const list = [noted("gone", NOW - 1), noted("just-gone", NOW), noted("kept", NOW + 1), noted("kept-too", NOW + 1)];
  expect(await namesToForget(list, record, parts)).toEqual([
    { purpose: "scene", service: "lights", until: NOW + 1, names: ["kept", "kept-too"] },
  ]);
});
