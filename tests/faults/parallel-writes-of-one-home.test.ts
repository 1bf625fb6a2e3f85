/** What one home asks for at the same time is done one after the other, and none of it has to be asked for again. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { SubjectTurns } from "../../src/consent/ledger/subject-turns.ts";
import type { SubjectTag } from "../../src/model/ids.ts";
import { consentTo, EVERYTHING, name, startSystem, type TestSystem } from "../fixtures/system.ts";

const APPROVERS = ["legal", "privacy"].map((one) => ({
  name: one,
  token: `${one}-token-of-this-test-0123456789abcdef`,
}));
let system: TestSystem;

beforeAll(async () => {
  system = await startSystem({ http: { approvers: APPROVERS } });
});
afterAll(async () => {
  await system?.stop();
});

/** Asked once: anyone who is told to try again has failed here. */
async function status(method: string, path: string, body?: unknown, token = system.stack.config.apiToken) {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && { "content-type": "application/json" }),
  };
  const answer = await fetch(`${system.stack.httpUrl}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

const many = <T>(count: number, of: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => of(index)));

test("a hundred devices are bound to one home at once", async () => {
  const home = name("home");
  const bound = await many(100, (index) => status("PUT", `/v1/subjects/${home}/devices/${home}-${index}`));
  expect(new Set(bound)).toEqual(new Set([204]));
});

test("so is everything else that changes a record: consents, withdrawals, holds, an erasure, devices coming and going", async () => {
  const home = name("home");
  const subject = `/v1/subjects/${home}`;
  const device = (index: number) => `${home}-${index}`;
  await many(20, (index) => status("PUT", `${subject}/devices/${device(index)}`));
  const hold = { reference: "case-7", until: Date.now() + 3_600_000 };
  const answers = await Promise.all([
    ...Array.from({ length: 15 }, (_, index) =>
      status("POST", `${subject}/consents`, consentTo(EVERYTHING, { devices: [device(index)] })),
    ),
    ...Array.from({ length: 15 }, (_, index) =>
      status("POST", `${subject}/withdrawals`, { by: "subject", method: "app", devices: [device(index)] }),
    ),
    ...Array.from({ length: 10 }, (_, index) => status("PUT", `${subject}/devices/${device(20 + index)}`)),
    ...Array.from({ length: 5 }, (_, index) => status("DELETE", `${subject}/devices/${device(19 - index)}`)),
    ...Array.from({ length: 10 }, (_, index) => status("POST", `/v1/devices/${device(index)}/token`)),
    ...APPROVERS.map(({ token }) => status("PUT", `${subject}/hold`, hold, token)),
    status("POST", `${subject}/erasures`, { by: "subject", method: "app" }),
  ]);
  expect(answers.filter((answer) => answer >= 300)).toEqual([]);
});

test("neighbours do not wait for each other", async () => {
  const turns = new SubjectTurns();
  let letGo: () => void = () => undefined;
  const stuck = turns.take("one" as SubjectTag, "writing", () => new Promise<void>((resolve) => (letGo = resolve)));
  expect(await turns.take("other" as SubjectTag, "writing", async () => "done")).toBe("done");
  letGo();
  await stuck;
});

test("the line is bounded, and anyone who fails in it holds up no one", async () => {
  const turns = new SubjectTurns();
  const tag = "one" as SubjectTag;
  let letGo: () => void = () => undefined;
  const first = turns.take(tag, "writing", () => new Promise<void>((resolve) => (letGo = resolve)));
  const fails = turns.take(tag, "writing", () => Promise.reject(new Error("broken")));
  const order: number[] = [];
  const waiting = Array.from({ length: 1_022 }, (_, index) =>
    turns.take(tag, "writing", async () => order.push(index)),
  );
  await expect(turns.take(tag, "writing", async () => 0)).rejects.toMatchObject({ code: "CONSENT_CONFLICT" });
  letGo();
  await first;
  await expect(fails).rejects.toThrow("broken");
  await Promise.all(waiting);
  expect(order).toEqual(order.map((_, index) => index));
  expect(order).toHaveLength(1_022);
});
