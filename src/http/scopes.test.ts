/** Every route of account services and operators opens to the scopes listed here, and to no other: whatever a token has. */
import fc from "fast-check";
import Fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NO_TOKENS } from "../../tests/fixtures/no-tokens.ts";
import { GatewayError } from "../model/errors.ts";
import { TOKEN_SCOPES, type TokenScope } from "../model/named-token.ts";
import type { HttpPorts } from "./ports.ts";
import { allOf, declareScopes, mayAsk, oneOf } from "./scopes.ts";
import { createApp } from "./server.ts";
import { ROUTE_SCOPES } from "./v1/scopes.ts";

/** Written a second time: what a token of this one scope opens. */
const OPENS: Readonly<Record<TokenScope, readonly string[]>> = {
  bind: [
    "DELETE /v1/devices/{hub}/children/{device}",
    "DELETE /v1/subjects/{subject}/devices/{device}",
    "GET /v1/devices/{device}/children",
    "POST /v1/devices/{device}/token",
    "PUT /v1/devices/{device}/children",
    "PUT /v1/devices/{hub}/children/{device}",
    "PUT /v1/subjects/{subject}/devices/{device}",
  ],
  consent: [
    "GET /v1/policies",
    "GET /v1/policies/{version}",
    "POST /v1/subjects/{subject}/consents",
    "POST /v1/subjects/{subject}/withdrawals",
  ],
  read: [
    "GET /v1/devices/{device}/children",
    "GET /v1/devices/{device}/refusals",
    "GET /v1/disclosures",
    "GET /v1/erasures/{id}",
    "GET /v1/keys/receipt",
    "GET /v1/policies",
    "GET /v1/policies/{version}",
    "GET /v1/subjects/{subject}/consents",
    "GET /v1/subjects/{subject}/consents/receipt",
    "GET /v1/subjects/{subject}/disclosures",
    "POST /v1/devices/{device}/check",
  ],
  export: ["GET /v1/subjects/{subject}/export"],
  erase: ["GET /v1/erasures", "GET /v1/erasures/{id}", "GET /v1/keys/receipt", "POST /v1/subjects/{subject}/erasures"],
  policy: ["GET /v1/policies", "GET /v1/policies/{version}", "POST /v1/policies"],
  services: [
    "DELETE /v1/services/{name}",
    "DELETE /v1/services/{name}/tokens/{number}",
    "GET /v1/services",
    "GET /v1/services/{name}",
    "POST /v1/services/{name}/tokens",
    "PUT /v1/services/{name}",
  ],
  // Of a person only why messages of a device were refused; and of what changes something only that a file is read again.
  operate: [
    "GET /metrics",
    "GET /v1/audit",
    "GET /v1/devices/{device}/refusals",
    "GET /v1/disclosures",
    "GET /v1/erasures",
    "GET /v1/erasures/{id}",
    "GET /v1/keys/receipt",
    "GET /v1/policies",
    "GET /v1/policies/{version}",
    "GET /v1/services",
    "GET /v1/services/{name}",
    "POST /v1/reload",
  ],
};
/** One scope alone does not open it: on the page behind a link all of this can be done. */
const LINKS = "POST /v1/subjects/{subject}/links";
const OF_LINKS: readonly TokenScope[] = ["consent", "read", "export", "erase"];

type Operations = Record<string, Record<string, { security?: Record<string, TokenScope[]>[]; description: string }>>;

let app: FastifyInstance;
/** As the description has them: `GET /v1/…` → what it says of tokens. */
let routes: Map<string, { alternatives: TokenScope[][]; description: string }>;
/** The token that requests carry; its scopes. */
let scopes: readonly TokenScope[] = [];
const refused: string[] = [];

beforeAll(async () => {
  const failing = new Proxy({}, { get: () => () => Promise.reject(new GatewayError("REDIS_UNAVAILABLE", "test")) });
  const own: Record<string, unknown> = {
    tokens: {
      ...NO_TOKENS,
      find: (token: string) =>
        token === "named" ? { name: "named", digest: "named", scopes: new Set(scopes) } : undefined,
    },
    lookup: { deviceKey: () => "device", subjectTag: () => "subject", aliasMac: () => "alias" },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    metrics: { text: async () => "", httpRefused: (reason: string) => void refused.push(reason) },
    reload: async () => ({ changed: [], needRestart: [] }),
    asyncApi: () => ({}),
    centre: { properties: [], samples: { stop: () => {} } },
    refusals: { of: () => [] },
    check: async () => undefined,
    publishPolicy: () => Promise.reject(new GatewayError("REDIS_UNAVAILABLE", "test")),
  };
  const ports = new Proxy({}, { get: (_, name) => own[String(name)] ?? failing }) as HttpPorts;
  const bounds = { maxConnections: 16, maxConnectionsPerAddress: 16, bodyLimitBytes: 1_024, failedTokensPerMinute: 60 };
  app = await createApp({ host: "127.0.0.1", port: 0, approvers: [], metrics: { required: false }, ...bounds }, ports);
  const { paths } = (await app.inject("/docs/json")).json() as { paths: Operations };
  routes = new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { security = [], description }]) => {
        const alternatives = security.flatMap(({ token }) => (token === undefined ? [] : [token]));
        return alternatives.length === 0
          ? []
          : [[`${method.toUpperCase()} ${path}`, { alternatives, description }] as const];
      }),
    ),
  );
});
afterAll(() => app?.close());

/** Whether a token of these scopes comes past the door; whatever is wrong with the request is seen after it. */
async function opens(route: string, having: readonly TokenScope[]): Promise<boolean> {
  scopes = having;
  const [method = "GET", path = ""] = route.split(" ");
  const url = path.replace(/\{\w+\}/g, "x1");
  const answer = await app.inject({ method: method as "GET", url, headers: { authorization: "Bearer named" } });
  expect(answer.statusCode, route).not.toBe(401);
  if (answer.statusCode !== 403) return true;
  expect(answer.json()).toMatchObject({ type: "urn:consentry:problem:forbidden", code: "forbidden", status: 403 });
  expect(answer.headers["www-authenticate"]).toMatch(/error="insufficient_scope", scope="[a-z ]+"/);
  return false;
}

describe("each scope", () => {
  test.each(TOKEN_SCOPES)("%s opens what it is for and nothing else", async (scope) => {
    const opened: string[] = [];
    for (const route of routes.keys()) if (await opens(route, [scope])) opened.push(route);
    expect(opened.sort()).toEqual([...OPENS[scope]].sort());
  });

  test("is needed for some route, and every route is opened by some token", () => {
    const named = new Set([...Object.values(OPENS).flat(), LINKS]);
    expect([...routes.keys()].sort()).toEqual([...named].sort());
  });
});

test("a token of any scopes opens what one of them opens, and links only with all that the page can do", async () => {
  const having = fc.subarray([...TOKEN_SCOPES], { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(having, fc.constantFrom(...routes.keys()), async (some, route) => {
      const expected =
        route === LINKS
          ? OF_LINKS.every((scope) => some.includes(scope))
          : some.some((scope) => OPENS[scope].includes(route));
      expect(await opens(route, some), `${some.join(" ")}: ${route}`).toBe(expected);
    }),
    { numRuns: 600 },
  );
});

test("a token for something else counts as no guess", async () => {
  refused.length = 0;
  for (let times = 0; times < 100; times += 1) await opens("GET /v1/audit", ["bind"]);
  expect(refused).toEqual(Array(100).fill("no-scope"));
});

test("the description says the same as the door, in the form of OpenAPI and in words", async () => {
  for (const [route, { alternatives, description }] of routes) {
    for (const scope of TOKEN_SCOPES)
      expect(mayAsk(new Set([scope]), alternatives), `${scope}: ${route}`).toBe(OPENS[scope].includes(route));
    expect(description).toMatch(/Needs a token with the scope `[a-z]+`/);
  }
});

describe("the table", () => {
  test("names no route that is not there", () => {
    const { length } = [...routes.keys()].filter((route) => route.includes("/v1/"));
    expect(Object.keys(ROUTE_SCOPES)).toHaveLength(length);
  });

  test.each([
    ["without a row", { schema: { operationId: "toString" } }],
    ["without a name", {}],
  ])("a route %s does not start", (_what, route) => {
    const bare = Fastify({ logger: false });
    declareScopes(bare, { known: oneOf("read") });
    const add = (more: object) => () => bare.route({ method: "GET", url: "/v1/x", handler: async () => "", ...more });
    expect(add(route)).toThrow("has no row in the table of scopes");
    expect(add({ schema: { operationId: "known" } })).not.toThrow();
    // What only answers that there is no such method.
    expect(add({ method: "PUT", schema: { hide: true } })).not.toThrow();
  });

  test("asks for one of several scopes, or for all of them", () => {
    expect(mayAsk(new Set(["read"]), oneOf("read", "erase"))).toBe(true);
    expect(mayAsk(new Set(["read"]), allOf("read", "erase"))).toBe(false);
    expect(mayAsk(new Set(["read", "erase"]), allOf("read", "erase"))).toBe(true);
    expect(mayAsk(new Set([]), oneOf("read"))).toBe(false);
  });
});
