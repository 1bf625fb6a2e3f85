/** A caller learns which key was not known, and no answer and no log line repeats a key that could name a person. */
import { expect, test } from "vitest";
import { z } from "zod";
import { bareApp } from "./bare-app.ts";

const nested = z.strictObject({ kind: z.literal("a") });
const body = z.strictObject({ devices: z.array(nested).optional(), terms: z.record(z.string(), nested).optional() });

async function errorsOf(sent: unknown, query = "") {
  const logged: unknown[] = [];
  const line = (...said: unknown[]) => void logged.push(said);
  const log = { info: line, warn: line, error: line };
  const app = bareApp({ bodyLimitBytes: 100_000, maxConnections: 4, maxConnectionsPerAddress: 4 }, log);
  app.post("/", { schema: { body, querystring: z.strictObject({}) } }, async () => "taken");
  const answer = await app.inject({ method: "POST", url: `/${query}`, payload: sent as object });
  expect([answer.statusCode, logged]).toEqual([400, []]);
  return { errors: answer.json().errors as { path: string; code: string }[], text: answer.body };
}

test.each([
  ["a word", { deviceId: 1 }, "body.deviceId"],
  ["a word with an underscore", { device_id: 1 }, "body.device_id"],
  ["in a list", { devices: [{ kind: "a" }, { kind: "a", colour: 1 }] }, "body.devices.1.colour"],
  [
    "below a name of the caller's own",
    { terms: { "tom@example.org": { kind: "a", colour: 1 } } },
    "body.terms.*.colour",
  ],
  ["an e-mail address", { devices: [], "tom@example.org": 1 }, "body.#2"],
  ["a serial number", { SN12345678: 1 }, "body.#1"],
  ["a number of a telephone", { "+91 98450 12345": 1, devices: [] }, "body.#1"],
  ["digits", { devices: [], "9845012345": 1 }, "body.#2"],
  ["a key of one of our hashes", { Zk3vT9qLm2Xc7bNfR1wYsA: 1 }, "body.#1"],
  ["a word too long to be one", { ["a".repeat(33)]: 1 }, "body.#1"],
  ["nothing", { "": 1 }, "body.#1"],
])("an unknown key that is %s", async (_what, sent, path) => {
  expect((await errorsOf(sent)).errors).toEqual([{ path, code: "unrecognized_keys" }]);
});

test("an unknown key of the query is named in the same way", async () => {
  expect((await errorsOf({}, "?colour=1&tom%40example.org=2")).errors.map(({ path }) => path)).toEqual([
    "querystring.colour",
    "querystring.#2",
  ]);
});

test("a thousand unknown keys are answered with sixteen", async () => {
  const many = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, index) => [`a${"b".repeat(index % 30)}_${"c".repeat(1 + index / 30)}`, 1]),
  );
  expect((await errorsOf(many)).errors).toHaveLength(16);
});
