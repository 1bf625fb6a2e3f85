/** The description is complete: every route has an example, its error cases with examples, and each example is true. */
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { centreOverview } from "../model/centre.ts";
import { signedConsentReceipt } from "../model/consent-receipt.ts";
import { consentRecord } from "../model/consent-record.ts";
import { erasureStatus, receiptKey } from "../model/erasure.ts";
import { exportLine } from "../model/export.ts";
import { policyDocument } from "../model/policy-document.ts";
import {
  CONSENT_RECEIPT_EXAMPLE,
  ERASURE_EXAMPLE,
  EXPORT_EXAMPLE,
  OVERVIEW_EXAMPLE,
  POLICY_EXAMPLE,
  RECEIPT_KEY_EXAMPLE,
  RECORD_EXAMPLE,
} from "./examples.ts";
import type { HttpPorts } from "./ports.ts";
import { PROBLEM_TYPE, PROBLEMS, type problemOf } from "./problems.ts";
import { createApp } from "./server.ts";

const media = z.looseObject({
  schema: z.looseObject({ examples: z.array(z.unknown()).optional(), type: z.unknown().optional() }).optional(),
  example: z.unknown().optional(),
  examples: z.record(z.string(), z.unknown()).optional(),
});
const content = z.record(z.string(), media);
const operation = z.looseObject({
  operationId: z.string(),
  summary: z.string().min(5),
  description: z.string().min(10),
  tags: z.array(z.string()).min(1),
  security: z.array(z.unknown()).optional(),
  parameters: z.array(z.looseObject({ name: z.string() })).optional(),
  requestBody: z.looseObject({ content }).optional(),
  responses: z.record(z.string(), z.looseObject({ description: z.string().min(1), content: content.optional() })),
});
const description = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), operation)) });

const never = () => Promise.reject(new Error("not asked in this test"));
const ports = {
  lookup: { deviceKey: () => "", subjectTag: () => "" },
  log: { info: () => {}, warn: () => {}, error: () => {} },
  metricsText: never,
  centre: { samples: { stop: () => {} } },
} as unknown as HttpPorts;

let operations: [name: string, operation: z.infer<typeof operation>][];
let routes: string[];

beforeAll(async () => {
  const app = await createApp(
    { host: "127.0.0.1", port: 0, token: "token", approvers: [], bodyLimitBytes: 1_024 },
    ports,
  );
  const { paths } = description.parse(app.swagger());
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]): [string, z.infer<typeof operation>] => [
      `${method.toUpperCase()} ${path}`,
      one,
    ]),
  );
  routes = operations.map(([name]) => name);
  await app.close();
});

function exampleOf(one: z.infer<typeof media> | undefined): unknown {
  return one?.example ?? Object.values(one?.examples ?? {})[0] ?? one?.schema?.examples?.[0];
}

test("describes exactly the routes there are", () => {
  expect(routes.sort()).toEqual([
    "DELETE /centre/session",
    "DELETE /v1/subjects/{subject}/devices/{device}",
    "DELETE /v1/subjects/{subject}/hold",
    "GET /centre/api/devices/{device}/live",
    "GET /centre/api/erasures/{id}",
    "GET /centre/api/export",
    "GET /centre/api/overview",
    "GET /livez",
    "GET /metrics",
    "GET /readyz",
    "GET /v1/audit",
    "GET /v1/disclosures",
    "GET /v1/erasures/{id}",
    "GET /v1/keys/receipt",
    "GET /v1/policies",
    "GET /v1/policies/{version}",
    "GET /v1/subjects/{subject}/consents",
    "GET /v1/subjects/{subject}/consents/receipt",
    "GET /v1/subjects/{subject}/disclosures",
    "GET /v1/subjects/{subject}/export",
    "GET /v1/subjects/{subject}/hold",
    "POST /centre/api/consents",
    "POST /centre/api/erasures",
    "POST /centre/api/withdrawals",
    "POST /centre/session",
    "POST /v1/devices/{device}/token",
    "POST /v1/policies",
    "POST /v1/subjects/{subject}/consents",
    "POST /v1/subjects/{subject}/erasures",
    "POST /v1/subjects/{subject}/links",
    "POST /v1/subjects/{subject}/withdrawals",
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
      expect([name, security !== undefined]).toEqual([name, closed]);
      if (name.includes("/centre/api/")) expect(security).toEqual([{ centre: [] }]);
    }
  });

  test("has an example of its body and of its success", () => {
    for (const [name, { requestBody, responses }] of operations) {
      if (requestBody !== undefined) {
        expect(exampleOf(requestBody.content["application/json"]), name).toBeDefined();
      }
      const [status, success] = Object.entries(responses).find(([code]) => code.startsWith("2")) ?? [];
      expect(success, name).toBeDefined();
      if (status !== "204") expect(exampleOf(Object.values(success?.content ?? {})[0]), name).toBeDefined();
    }
  });

  test("has error cases, each a problem of the table with an example", () => {
    for (const [name, { responses }] of operations) {
      const errors = Object.entries(responses).filter(([code]) => /^[45]/.test(code));
      expect(errors.length, name).toBeGreaterThan(0);
      for (const [status, { content: shapes }] of errors) {
        if (name === "GET /readyz" && status === "503") continue;
        const example = exampleOf(shapes?.[PROBLEM_TYPE]) as ReturnType<typeof problemOf>;
        expect(example?.code, `${name} ${status}`).toBeOneOf(Object.keys(PROBLEMS));
        expect(String(example.status)).toBe(status);
      }
      if (name.includes("/v1/") || name.includes("/centre/api/"))
        expect(errors.map(([status]) => status)).toEqual(expect.arrayContaining(["400", "401", "500", "503"]));
    }
  });
});

test("the examples are what the schemas accept", () => {
  expect(consentRecord.safeParse(RECORD_EXAMPLE).error).toBeUndefined();
  expect(signedConsentReceipt.safeParse(CONSENT_RECEIPT_EXAMPLE).error).toBeUndefined();
  expect(policyDocument.safeParse(POLICY_EXAMPLE).error).toBeUndefined();
  expect(erasureStatus.safeParse(ERASURE_EXAMPLE).error).toBeUndefined();
  expect(centreOverview.safeParse(OVERVIEW_EXAMPLE).error).toBeUndefined();
  expect(receiptKey.safeParse(RECEIPT_KEY_EXAMPLE).error).toBeUndefined();
  for (const line of EXPORT_EXAMPLE) expect(exportLine.safeParse(line).error).toBeUndefined();
});
