/** Wrong tokens are refused and counted, and answered 429 after too many; right ones, named or not, are not affected. */
import { Agent, get } from "node:http";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GatewayError } from "../model/errors.ts";
import type { TokenScope } from "../model/named-token.ts";
import type { HttpRefusal } from "../model/outcome.ts";
import type { HttpPorts } from "./ports.ts";
import { createApp } from "./server.ts";

const TOKEN = "token-of-the-account-service-in-this-test";
const SCRAPER = "token-of-the-scraper-in-this-test-0000001";
const APPROVER = "token-of-the-approver-in-this-test-00001";

let app: FastifyInstance;
let counted: HttpRefusal[];
/** Names of the tokens that are good; with their name as their text. */
let named: Map<string, ReadonlySet<TokenScope> | GatewayError>;
let looked: () => void;
let listing: Promise<unknown[]>;
/** Requests that were let in to be answered. */
let waiting: number;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  counted = [];
  named = new Map();
  waiting = 0;
  listing = Promise.resolve([]);
  const scopesOf = (name: string) => {
    const scopes = named.get(name);
    if (scopes instanceof Error) throw scopes;
    return scopes;
  };
  const tokens: HttpPorts["tokens"] = {
    find: (name) => {
      const scopes = scopesOf(name);
      return scopes && { name, digest: name, scopes };
    },
    stands: ({ name }) => scopesOf(name) !== undefined,
    onLook: (act) => {
      looked = act;
    },
  };
  const ports = {
    tokens,
    lookup: { deviceKey: () => "", subjectTag: () => "" },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    erasures: {
      open: () => {
        waiting += 1;
        return listing;
      },
    },
    readiness: () => ({ ready: false, reasons: ["store-unavailable", "backlog-full"] }),
    holds: { list: async () => ({ standing: [], proposed: [] }) },
    metrics: { httpRefused: (reason: HttpRefusal) => counted.push(reason), text: async (view: string) => view },
  } as unknown as HttpPorts;
  const bounds = { maxConnections: 16, maxConnectionsPerAddress: 16 };
  const options = { host: "127.0.0.1", port: 0, bodyLimitBytes: 1_024, failedTokensPerMinute: 3, ...bounds };
  const metrics = { token: SCRAPER, required: true };
  app = await createApp({ ...options, metrics, token: TOKEN, approvers: [{ name: "legal", token: APPROVER }] }, ports);
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

it("lets the scraper's token read the metrics and nothing else, and no one read them without one", async () => {
  const metrics = async (token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const { statusCode, body } = await app.inject({ method: "GET", url: "/metrics", headers });
    return statusCode === 200 ? body : statusCode;
  };
  expect(await metrics(SCRAPER)).toBe("full");
  expect(await metrics(TOKEN)).toBe("full");
  expect(await metrics()).toBe(401);
  expect(await metrics("wrong")).toBe(401);
  expect(await ask(SCRAPER)).toBe("401 unauthorized");
  expect(counted).toEqual(Array(3).fill("bad-token"));
});

it("tells a balancer whether it is ready but for what the balancer does not mind", async () => {
  const ready = async (query: string) => {
    const { statusCode, body } = await app.inject({ method: "GET", url: `/readyz${query}` });
    return [statusCode, JSON.parse(body).reasons];
  };
  expect(await ready("")).toEqual([503, ["store-unavailable", "backlog-full"]]);
  expect(await ready("?exclude=store-unavailable")).toEqual([503, ["backlog-full"]]);
  expect(await ready("?exclude=store-unavailable&exclude=backlog-full")).toEqual([200, []]);
  expect((await ready("?exclude=everything"))[0]).toBe(400);
});

it("lets a named token in among wrong ones, to what it is for", async () => {
  named.set("console", new Set(["operate"]));
  for (let times = 0; times < 5; times += 1) await ask("wrong");
  expect(await ask("console")).toBe("200");
  expect(await ask("console", { url: "/v1/subjects/anna/consents" })).toBe("403 forbidden");
  // A hold takes an approver.
  expect(await ask("console", { url: HOLD })).toBe("429 too-many-failures");
});

it("answers 503 to a named token of which nothing newer can be read, and 401 to a wrong one", async () => {
  named.set("console", new GatewayError("REDIS_UNAVAILABLE", "tokens"));
  expect(await ask("console")).toBe("503 unavailable");
  expect(await ask("wrong")).toBe("401 unauthorized");
  expect(await ask(TOKEN)).toBe("200");
});

it("lets in those that stand in the configuration while nothing can be said of any other", async () => {
  const away = new GatewayError("REDIS_UNAVAILABLE", "tokens");
  for (const text of [TOKEN, SCRAPER, "", "any"]) named.set(text, away);
  expect(await ask(TOKEN)).toBe("200");
  expect(await ask("any")).toBe("503 unavailable");
  expect(await ask(undefined)).toBe("401 unauthorized");
  const metrics = async (token: string) =>
    (await app.inject({ method: "GET", url: "/metrics", headers: { authorization: `Bearer ${token}` } })).statusCode;
  expect([await metrics(SCRAPER), await metrics(TOKEN), await metrics("any")]).toEqual([200, 200, 503]);
  expect(counted).toEqual(["bad-token"]);
});

it.each([
  ["was revoked", () => void named.delete("console")],
  ["can't be looked at any more", () => void named.set("console", new GatewayError("REDIS_UNAVAILABLE", "tokens"))],
])("cuts off what is being answered for a token that %s, and nothing else", async (_what, end) => {
  named.set("console", new Set(["operate"]));
  let release = (_found: unknown[]): void => undefined;
  listing = new Promise((resolve) => {
    release = resolve;
  });
  const url = new URL(LIST, await app.listen({ host: "127.0.0.1", port: 0 }));
  const asked = (token: string) =>
    new Promise<string>((resolve) => {
      get(url, { headers: { authorization: `Bearer ${token}` }, agent: new Agent() }, (answer) => {
        answer.resume().once("end", () => resolve(String(answer.statusCode)));
      }).once("error", ({ code }: NodeJS.ErrnoException) => resolve(code ?? ""));
    });
  const answers = [asked("console"), asked(TOKEN)];
  await vi.waitFor(() => expect(waiting).toBe(2), { timeout: 60_000 });
  looked();
  end();
  looked();
  expect(await answers[0]).toBe("ECONNRESET");
  release([]);
  expect(await answers[1]).toBe("200");
});
