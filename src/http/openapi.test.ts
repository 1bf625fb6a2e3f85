/**
 * The description is OpenAPI, and complete: every route has examples and error cases, every example is what its
 * schema accepts, and what a fault of the audit log or of Redis is answered with is among them.
 */
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { FastifyInstance, InjectOptions } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { LINK, portsWith, SESSION } from "../../tests/fixtures/faulty-ports.ts";
import { GatewayError } from "../model/errors.ts";
import { COOKIE } from "./centre/session.ts";
import type { HttpPorts } from "./ports.ts";
import { PROBLEM_TYPE, PROBLEMS, type problemOf } from "./problems.ts";
import { createApp } from "./server.ts";

const media = z.looseObject({
  schema: z.looseObject({ examples: z.array(z.unknown()).optional() }),
  example: z.unknown().optional(),
  examples: z.record(z.string(), z.looseObject({ value: z.unknown() })).optional(),
});
type Media = z.infer<typeof media>;
const content = z.record(z.string(), media);
const operation = z.looseObject({
  operationId: z.string(),
  summary: z.string().min(5),
  description: z.string().min(10),
  tags: z.array(z.string()).min(1),
  security: z.array(z.unknown()).optional(),
  parameters: z.array(media.extend({ name: z.string(), in: z.string(), required: z.boolean().optional() })).optional(),
  requestBody: z.looseObject({ content }).optional(),
  responses: z.record(z.string(), z.looseObject({ description: z.string().min(1), content: content.optional() })),
});
type Operation = z.infer<typeof operation>;
const description = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), operation)) });

const TOKEN = "token-of-the-account-service-in-this-test";
const APPROVER = "token-of-the-approver-in-this-test-00001";

const UNREACHABLE = new GatewayError("REDIS_UNAVAILABLE", "test");
const CONFLICT = new GatewayError("CONSENT_CONFLICT", "test");

function appWith(ports: HttpPorts): Promise<FastifyInstance> {
  const bounds = { maxConnections: 16, maxConnectionsPerAddress: 16 };
  const options = { host: "127.0.0.1", port: 0, bodyLimitBytes: 1_024, failedTokensPerMinute: 60, ...bounds };
  const metrics = { tokens: [TOKEN], required: false };
  return createApp({ ...options, metrics, token: TOKEN, approvers: [{ name: "legal", token: APPROVER }] }, ports);
}

let app: FastifyInstance;
let document: Record<string, unknown>;
let components: { readonly schemas: Record<string, Record<string, unknown>> };
let operations: [name: string, operation: Operation][];

beforeAll(async () => {
  app = await appWith(portsWith(UNREACHABLE, UNREACHABLE));
  document = (await app.inject("/docs/json")).json();
  components = document.components as typeof components;
  operations = Object.entries(description.parse(document).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]): [string, Operation] => [`${method.toUpperCase()} ${path}`, one]),
  );
});
afterAll(() => app?.close());

function examplesOf({ schema, example, examples }: Media): unknown[] {
  const named = Object.values(examples ?? {}).map(({ value }) => value);
  return [...(example === undefined ? [] : [example]), ...named, ...(schema.examples ?? [])];
}

/** Everything of a route that has a schema, under a name. */
function described([name, { parameters = [], requestBody, responses }]: (typeof operations)[number]): [
  string,
  Media,
][] {
  return [
    ...parameters.map((one): [string, Media] => [`${name} ${one.in} ${one.name}`, one]),
    ...Object.entries(requestBody?.content ?? {}).map(([type, one]): [string, Media] => [`${name} ${type}`, one]),
    ...Object.entries(responses).flatMap(([status, { content: shapes = {} }]) =>
      Object.entries(shapes).map(([type, one]): [string, Media] => [`${name} ${status} ${type}`, one]),
    ),
  ];
}

test("is OpenAPI as its own schema has it", async () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(await new Validator().validate(structuredClone(document))).toEqual({ valid: true });
});

/** What `redocly lint` asks for, and what generators of clients need. */
describe("the whole", () => {
  test("says where it is served, under which licence, and what each tag is", () => {
    expect(document.servers).toEqual([{ url: "/", description: expect.any(String) }]);
    expect(document.info).toMatchObject({ license: { identifier: "Apache-2.0" } });
    const tags = document.tags as { name: string; description: string }[];
    const used = new Set(operations.flatMap(([, { tags: ofRoute }]) => ofRoute));
    expect(tags.map(({ name }) => name).toSorted()).toEqual([...used].toSorted());
    for (const tag of tags) expect(tag.description.length, tag.name).toBeGreaterThan(20);
  });

  test("names each object once, and refers to nothing that is not there", () => {
    const anonymous = new Map<string, number>();
    const refs = new Set<string>();
    const look = (node: unknown, isNamed = false): void => {
      if (typeof node !== "object" || node === null) return;
      const { type, properties, $ref, examples: _, description: __, ...rest } = node as Record<string, unknown>;
      if (typeof $ref === "string") refs.add($ref);
      if (type === "object" && typeof properties === "object" && !isNamed) {
        const shape = JSON.stringify({ properties, rest });
        anonymous.set(shape, (anonymous.get(shape) ?? 0) + 1);
      }
      for (const [key, value] of Object.entries(node)) if (key !== "examples") look(value);
    };
    look(document.paths);
    for (const schema of Object.values(components.schemas)) look(schema, true);
    expect([...anonymous].filter(([, count]) => count > 1)).toEqual([]);
    const names = Object.keys(components.schemas);
    expect([...refs].toSorted()).toEqual(names.map((name) => `#/components/schemas/${name}`).toSorted());
    expect(names.filter((name) => !/^[A-Z][A-Za-z0-9]+$/.test(name))).toEqual([]);
    expect(names).toEqual(expect.arrayContaining(["Problem", "FieldError"]));
  });

  test("has a body of an operation under one name", () => {
    const inline = operations
      .flatMap(described)
      .filter(([, { schema }]) => schema.type === "object" && "properties" in schema);
    expect(inline.map(([where]) => where)).toEqual([]);
  });
});

test("describes exactly the routes there are", () => {
  expect(operations.map(([name]) => name).sort()).toEqual([
    "DELETE /centre/session",
    "DELETE /v1/devices/{hub}/children/{device}",
    "DELETE /v1/services/{name}",
    "DELETE /v1/services/{name}/tokens/{number}",
    "DELETE /v1/subjects/{subject}/devices/{device}",
    "DELETE /v1/subjects/{subject}/hold",
    "GET /centre/api/devices/{device}/live",
    "GET /centre/api/erasures/{id}",
    "GET /centre/api/export",
    "GET /centre/api/overview",
    "GET /centre/api/places",
    "GET /centre/api/readings",
    "GET /docs/asyncapi.json",
    "GET /livez",
    "GET /metrics",
    "GET /readyz",
    "GET /v1/audit",
    "GET /v1/devices/{device}/children",
    "GET /v1/devices/{device}/refusals",
    "GET /v1/disclosures",
    "GET /v1/erasures",
    "GET /v1/erasures/{id}",
    "GET /v1/keys/receipt",
    "GET /v1/policies",
    "GET /v1/policies/{version}",
    "GET /v1/services",
    "GET /v1/services/{name}",
    "GET /v1/subjects/{subject}/consents",
    "GET /v1/subjects/{subject}/consents/receipt",
    "GET /v1/subjects/{subject}/disclosures",
    "GET /v1/subjects/{subject}/export",
    "GET /v1/subjects/{subject}/hold",
    "POST /centre/api/consents",
    "POST /centre/api/erasures",
    "POST /centre/api/stay",
    "POST /centre/api/withdrawals",
    "POST /centre/session",
    "POST /v1/devices/{device}/check",
    "POST /v1/devices/{device}/token",
    "POST /v1/policies",
    "POST /v1/reload",
    "POST /v1/services/{name}/tokens",
    "POST /v1/subjects/{subject}/consents",
    "POST /v1/subjects/{subject}/erasures",
    "POST /v1/subjects/{subject}/links",
    "POST /v1/subjects/{subject}/withdrawals",
    "PUT /v1/devices/{device}/children",
    "PUT /v1/devices/{hub}/children/{device}",
    "PUT /v1/services/{name}",
    "PUT /v1/subjects/{subject}/devices/{device}",
    "PUT /v1/subjects/{subject}/hold",
  ]);
});

describe("every route", () => {
  test("has a unique operation id", () => {
    expect(new Set(operations.map(([, { operationId }]) => operationId)).size).toBe(operations.length);
  });

  test("asks for the token or a session, unless it is for health or the way to a session", () => {
    for (const [name, { security }] of operations) {
      const closed = name.includes("/v1/") || name.includes("/centre/api/");
      // What it tells with the token is more.
      const expected = name === "GET /metrics" ? [{}, { token: ["operate"] }] : [];
      if (closed) expect([name, security?.length]).not.toEqual([name, 0]);
      else expect([name, security]).toEqual([name, expected]);
      if (name.includes("/centre/api/")) expect(security).toEqual([{ centre: [] }]);
    }
  });

  test("has an example of whatever it takes and answers", () => {
    for (const one of operations) {
      const [name, { parameters = [], responses }] = one;
      const success = Object.entries(responses).filter(([status]) => status.startsWith("2"));
      expect(success.length, name).toBeGreaterThan(0);
      for (const [status, answer] of success) {
        if (status !== "204") expect(Object.keys(answer.content ?? {}).length, `${name} ${status}`).toBeGreaterThan(0);
      }
      const optional = new Set(parameters.filter(({ in: place }) => place === "query").map((query) => query as Media));
      for (const [where, shape] of described(one)) {
        if (!optional.has(shape)) expect(examplesOf(shape).length, where).toBeGreaterThan(0);
      }
    }
  });

  test("has examples that its own schemas accept", { timeout: 240_000 }, () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(ajv);
    let looked = 0;
    for (const [where, shape] of operations.flatMap(described)) {
      const { schema } = shape;
      const isValid = ajv.compile({ ...schema, components });
      for (const example of examplesOf(shape)) {
        looked += 1;
        expect(isValid(example), `${where}: ${ajv.errorsText(isValid.errors)}`).toBe(true);
      }
    }
    expect(looked).toBeGreaterThan(300);
  });

  test("has error cases, each a problem of the table with an example", () => {
    for (const [name, { responses }] of operations) {
      const errors = Object.entries(responses).filter(([code]) => /^[45]/.test(code));
      expect(errors.length, name).toBeGreaterThan(0);
      expect(errors.filter(([code]) => code.startsWith("4")).length, name).toBeGreaterThan(0);
      for (const [status, { content: shapes }] of errors) {
        if (name === "GET /readyz" && status === "503") continue;
        expect(problemsAt(responses, status).length, `${name} ${status}`).toBeGreaterThan(0);
        expect(Object.keys(shapes ?? {})).toEqual([PROBLEM_TYPE]);
        for (const problem of problemsAt(responses, status)) {
          expect(problem.code, `${name} ${status}`).toBeOneOf(Object.keys(PROBLEMS));
          expect(String(problem.status)).toBe(status);
        }
      }
      if (name.includes("/v1/") || name.includes("/centre/api/"))
        expect(errors.map(([status]) => status)).toEqual(expect.arrayContaining(["400", "401", "500", "503"]));
    }
  });

  test.each([
    ["the audit log is being written by another process", CONFLICT],
    ["Redis does not answer", UNREACHABLE],
  ])("declares what it answers while %s", async (_what, logFault) => {
    const faulty = await appWith(portsWith(logFault, UNREACHABLE));
    const seen = new Set<string>();
    for (const [name, one] of operations) {
      const answer = await faulty.inject(requestOf(name, one));
      if (answer.statusCode < 400) continue;
      const { code } = answer.json();
      seen.add(code);
      const declared = problemsAt(one.responses, String(answer.statusCode)).map((problem) => problem.code);
      expect(declared, `${name} answers ${answer.statusCode}`).toContain(code);
    }
    // Nothing else: each request got past every check of its form and met the fault.
    expect([...seen].toSorted()).toEqual(logFault === CONFLICT ? ["conflict", "unavailable"] : ["unavailable"]);
    await faulty.close();
  });
});

function problemsAt(responses: Operation["responses"], status: string): ReturnType<typeof problemOf>[] {
  const shape = responses[status]?.content?.[PROBLEM_TYPE];
  return shape === undefined ? [] : (examplesOf(shape) as ReturnType<typeof problemOf>[]);
}

/** A request made of the examples, by a caller who may ask. */
function requestOf(name: string, { parameters = [], requestBody }: Operation): InjectOptions {
  const [method = "GET", path = ""] = name.split(" ");
  const exampleOf = (field: string) =>
    String(examplesOf(parameters.find((one) => one.name === field) ?? { schema: {} })[0]);
  const url = path.replace(/\{(\w+)\}/g, (_, field: string) => encodeURIComponent(exampleOf(field)));
  const needed = parameters.filter((one) => one.in === "query" && one.required);
  const query = Object.fromEntries(needed.map((one) => [one.name, exampleOf(one.name)]));
  const body = requestBody?.content["application/json"];
  const payload = path === "/centre/session" ? { token: LINK } : body && examplesOf(body)[0];
  return {
    method: method as "GET",
    url,
    query,
    headers: {
      authorization: `Bearer ${path.endsWith("/hold") ? APPROVER : TOKEN}`,
      "x-privacy-centre": "1",
      cookie: `${COOKIE}=${SESSION}`,
      host: "127.0.0.1",
      ...(payload !== undefined && method !== "DELETE" && { "content-type": "application/json" }),
    },
    ...(payload !== undefined && method !== "DELETE" && { payload: JSON.stringify(payload) }),
  };
}
