/** Wrong tokens are refused and counted, and answered 429 after too many; the right token is not affected. */
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { NO_TOKENS } from "../../tests/fixtures/no-tokens.ts";
import type { HttpRefusal } from "../model/outcome.ts";
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
    tokens: NO_TOKENS,
    lookup: { deviceKey: () => "", subjectTag: () => "" },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    erasures: { open: async () => [] },
    holds: { list: async () => ({ standing: [], proposed: [] }) },
    metrics: { httpRefused: (reason: HttpRefusal) => counted.push(reason) },
  } as unknown as HttpPorts;
  const bounds = { maxConnections: 16, maxConnectionsPerAddress: 16 };
  const options = { host: "127.0.0.1", port: 0, bodyLimitBytes: 1_024, failedTokensPerMinute: 3, ...bounds };
  app = await createApp({ ...options, token: TOKEN, approvers: [{ name: "legal", token: APPROVER }] }, ports);
});
afterEach(async () => {
  vi.useRealTimers();
  await app.close();
});

const LIST = "/v1/erasures";
const HOLD = "/v1/subjects/anna/hold";

async function ask(token: string | undefined, { url = LIST, from = "192.0.2.1" } = {}): Promise<string> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await app.inject({ method: "GET", url, headers, remoteAddress: from });
  return answer.statusCode === 200 ? "200" : `${answer.statusCode} ${answer.json().code}`;
}

it("hears the right token, however often", async () => {
  for (let times = 0; times < 10; times += 1) expect(await ask(TOKEN)).toBe("200");
  expect(await ask(APPROVER, { url: HOLD })).toBe("200");
  expect(counted).toEqual([]);
});

it("counts wrong tokens, answers too many from one address otherwise, and lets the right ones in from there", async () => {
  expect(await ask(undefined)).toBe("401 unauthorized");
  expect(await ask("wrong")).toBe("401 unauthorized");
  // One account for both kinds of tokens: a guess is a guess.
  expect(await ask(TOKEN, { url: HOLD })).toBe("401 unauthorized");
  expect(await ask("wrong")).toBe("429 too-many-failures");
  expect(await ask(undefined)).toBe("429 too-many-failures");
  expect(await ask(TOKEN)).toBe("200");
  expect(await ask(APPROVER, { url: HOLD })).toBe("200");
  expect(counted).toEqual([...Array(3).fill("bad-token"), ...Array(2).fill("too-many-failures")]);
});

it.each([
  ["192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"],
  ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"],
])("takes %s and %s for one, and %s for another", async (one, same, other) => {
  for (const from of [one, same, one]) expect(await ask("wrong", { from })).toBe("401 unauthorized");
  expect(await ask("wrong", { from: same })).toBe("429 too-many-failures");
  expect(await ask("wrong", { from: other })).toBe("401 unauthorized");
});

it("answers wrong ones of an address as before after a while", async () => {
  for (let times = 0; times < 4; times += 1) await ask("wrong");
  expect(await ask("wrong")).toBe("429 too-many-failures");
  vi.setSystemTime(Date.now() + 20_000);
  expect(await ask("wrong")).toBe("401 unauthorized");
});
