/** The console says the same words as the gateway where these decide, compares gateways as it does, and says how old it is. */
import { expect, it } from "vitest";
import { CONFIRM } from "../../src/http/operate/shapes.ts";
import { TRACE_ENDS, TRACE_STEPS } from "../../src/model/console.ts";
import { ERASURE_STEPS } from "../../src/model/erasure.ts";
import { DROP_REASONS } from "../../src/model/outcome.ts";
import { PURPOSES } from "../../src/model/purposes.ts";
import { READINESS_REASONS } from "../../src/model/readiness.ts";
import { pageModule } from "../fixtures/page-module.ts";

interface Note {
  readonly text: string;
  readonly act: string;
  readonly old: boolean;
}
const page = await pageModule<{ CONFIRM: typeof CONFIRM }>("console/confirm.js");
const words = await pageModule<Record<string, Record<string, string>>>("console/words.js");
const { compared, named } = await pageModule<{
  compared(gateways: readonly object[]): { name: string; is: string; values: unknown[] }[];
  named(name: string): string;
}>("console/differences.js");
const { noteOf, stateOf } = await pageModule<{
  noteOf(about: object): Note | undefined;
  stateOf(about: object): { kind: string; text: string };
}>("console/standing.js");

it("confirms with the words that the gateway asks for", () => {
  const id = "0123456789abcdef01234567";
  expect({ ...page.CONFIRM, replay: page.CONFIRM.replay(id) }).toEqual({ ...CONFIRM, replay: CONFIRM.replay(id) });
});

it("has words for whatever the gateway can answer", () => {
  expect(Object.keys(words.READINESS ?? {}).toSorted()).toEqual([...READINESS_REASONS].toSorted());
  expect(Object.keys(words.PURPOSE ?? {}).toSorted()).toEqual([...PURPOSES].toSorted());
  expect(Object.keys(words.TRACE_END ?? {}).toSorted()).toEqual([...TRACE_ENDS].toSorted());
  expect(Object.keys(words.TRACE_OUTCOME ?? {}).toSorted()).toEqual(Object.values(TRACE_STEPS).flat().toSorted());
  for (const step of ERASURE_STEPS) expect(words.ERASURE_STEP).toHaveProperty(step);
  for (const reason of [...DROP_REASONS, "takeover"]) expect(words.DROPPED).toHaveProperty(reason);
});

it("compares gateways: what differs first, then what not all of them tell", () => {
  const rows = compared([
    { version: "1", keys: { master: "a" }, configuration: { mqtt: "c" }, differs: [] },
    { version: "1", keys: { master: "b" }, configuration: { mqtt: "c" }, differs: ["keys.master"] },
    { keys: {}, configuration: { mqtt: "c" }, differs: [] },
  ]);
  expect(rows.map(({ name, is }) => [named(name), is])).toEqual([
    ["Key master", "differs"],
    ["Version", "unknown"],
    ["Configuration: mqtt", "same"],
  ]);
});

const live = {
  session: "in",
  standing: { state: "live" },
  heardAt: 1,
  frame: { version: "1", reasons: [] },
  ofPage: "1",
};

it("says nothing while all is well", () => {
  expect(noteOf(live)).toBeUndefined();
  expect(stateOf(live)).toMatchObject({ kind: "good", text: expect.stringMatching(/^Live · \d\d:\d\d:\d\d$/) });
});

it.each([
  ["a session that ended", { session: "ended" }, "sign-in", true],
  ["a lost connection", { standing: { state: "lost", code: "lost" } }, "try-now", true],
  ["too many tabs", { standing: { state: "lost", code: "too-many-watchers" } }, "try-now", true],
  ["another version of the gateway", { frame: { version: "2", reasons: [] } }, "reload", false],
])("says what to do after %s, and whether what is seen is old", (_what, change, act, old) => {
  const note = noteOf({ ...live, ...change });
  expect(note).toMatchObject({ act, old });
  if (old) expect(note?.text).toMatch(/What you see is as of \d\d:\d\d:\d\d\./);
});

it("says of when the figures out of Redis are while it does not answer, and that the rest is of now", () => {
  const away = { ...live, frame: { version: "1", reasons: ["redis-unreachable"] } };
  const note = noteOf({ ...away, redisAt: 1 });
  expect(note).toMatchObject({ act: "try-now", old: true });
  expect(note?.text).toMatch(/is as of \d\d:\d\d:\d\d\. The rest is of now\./);
  expect(noteOf({ ...away, redisAt: 0 })?.text).toContain("may be old");
  expect(stateOf({ ...away, redisAt: 1 })).toMatchObject({ kind: "good" });
});
