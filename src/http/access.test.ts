/** Who sends wrong tokens is refused, counted, and after a while not even heard; nobody else notices. */
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { HttpRefusal } from "../model/outcome.ts";
import { RECEIPT_KEY_EXAMPLE } from "./examples.ts";
import type { HttpPorts } from "./ports.ts";
import { createApp } from "./server.ts";

const TOKEN = "token-of-the-account-service-in-this-test";
const APPROVER = "token-of-the-approver-in-this-test-00001";

let app: FastifyInstance;
let counted: HttpRefusal[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  counted = [];
  const ports = {
    lookup: { deviceKey: () => "", subjectTag: () => "" },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    erasures: { receiptKeys: async () => [RECEIPT_KEY_EXAMPLE] },
    holds: { list: async () => ({ standing: [], proposed: [] }) },
    turnedAway: (reason: HttpRefusal) => counted.push(reason),
  } as unknown as HttpPorts;
  const options = { host: "127.0.0.1", port: 0, bodyLimitBytes: 1_024, failedTokensPerMinute: 3 };
  app = await createApp({ ...options, token: TOKEN, approvers: [{ name: "legal", token: APPROVER }] }, ports);
});
afterEach(async () => {
  vi.useRealTimers();
  await app.close();
});

const KEY = "/v1/keys/receipt";
const HOLD = "/v1/subjects/anna/hold";

async function ask(token: string | undefined, { url = KEY, from = "192.0.2.1" } = {}): Promise<string> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await app.inject({ method: "GET", url, headers, remoteAddress: from });
  return answer.statusCode === 200 ? "200" : `${answer.statusCode} ${answer.json().code}`;
}

it("hears the right token, however often", async () => {
  for (let times = 0; times < 10; times += 1) expect(await ask(TOKEN)).toBe("200");
  expect(await ask(APPROVER, { url: HOLD })).toBe("200");
  expect(counted).toEqual([]);
});

it("counts wrong tokens, and after too many from one address hears none of it, nor of the right one", async () => {
  expect(await ask(undefined)).toBe("401 unauthorized");
  expect(await ask("wrong")).toBe("401 unauthorized");
  // One account for both kinds of tokens: a guess is a guess.
  expect(await ask(TOKEN, { url: HOLD })).toBe("401 unauthorized");
  expect(await ask("wrong")).toBe("429 too-many-failures");
  expect(await ask(TOKEN)).toBe("429 too-many-failures");
  expect(await ask(APPROVER, { url: HOLD })).toBe("429 too-many-failures");
  expect(counted).toEqual([...Array(3).fill("bad-token"), ...Array(3).fill("too-many-failures")]);
});

it("goes on hearing other addresses, and this one again after a while", async () => {
  for (let times = 0; times < 4; times += 1) await ask("wrong");
  expect(await ask(TOKEN, { from: "192.0.2.2" })).toBe("200");
  vi.setSystemTime(Date.now() + 20_000);
  expect(await ask(TOKEN)).toBe("200");
});
