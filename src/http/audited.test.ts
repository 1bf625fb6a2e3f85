/** No route that changes something can be added without standing in the audit log, and the log says how each act ended. */
import Fastify, { type FastifyReply } from "fastify";
import { describe, expect, test, vi } from "vitest";
import type { AuditAct } from "../model/audit.ts";
import { auditActs } from "./audited.ts";
import type { HttpPorts } from "./ports.ts";

/** An act that takes longer than an answer may, and ends as `end` says. */
async function slowAct(
  end: (reply: FastifyReply) => FastifyReply,
): Promise<{ status: number; lines: () => AuditAct[]; release: () => void }> {
  const lines: AuditAct[] = [];
  const app = Fastify({ logger: false, handlerTimeout: 20 });
  const audit = { append: async () => 7, note: async (act: AuditAct) => void lines.push(act) };
  auditActs(app, { audit, lookup: {} } as unknown as HttpPorts, () => "account-service");
  let release = (): void => {};
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  app.post("/v1/policies", async (_request, reply) => {
    await slow;
    return end(reply);
  });
  const answer = await app.inject({ method: "POST", url: "/v1/policies", payload: { version: 2 } });
  return { status: answer.statusCode, lines: () => lines, release };
}

describe("an act that goes on after its answer", () => {
  test.each([
    ["done", (reply: FastifyReply) => reply.code(201).send({})],
    ["refused", (reply: FastifyReply) => reply.code(409).send({})],
    [
      "failed",
      () => {
        throw new Error("broken");
      },
    ],
  ] as const)("is %s in the log when it is, and not before", async (outcome, end) => {
    const { status, lines, release } = await slowAct(end);
    expect([status, lines()]).toEqual([503, []]);
    release();
    await vi.waitFor(() => expect(lines()).toMatchObject([{ act: "policy-published", of: 7, outcome }]));
  });
});

const ports = {} as Pick<HttpPorts, "audit" | "lookup">;

function adding(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", url: string, hide = false): () => unknown {
  const app = Fastify({ logger: false });
  auditActs(app, ports, () => "account-service");
  return () => app.route({ method, url, schema: { hide } as object, handler: async () => undefined });
}

test.each(["POST", "PUT", "PATCH", "DELETE"] as const)("a %s route without a row does not start", (method) => {
  expect(adding(method, "/v1/secrets")).toThrow(`${method} /v1/secrets has no row`);
});

test("a route that only reads, one with a row and one that only refuses do", () => {
  expect(adding("GET", "/v1/secrets")).not.toThrow();
  expect(adding("POST", "/v1/policies")).not.toThrow();
  expect(adding("PATCH", "/v1/policies", true)).not.toThrow();
});

test("a row is for one method only", () => {
  expect(adding("DELETE", "/v1/policies")).toThrow("has no row");
});
