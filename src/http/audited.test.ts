/** No route that changes something can be added without an act for the audit log, and the log says how each act ended. */
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
  app.post("/v1/policies", { config: { audit: { act: "policy-published" } } }, async (_request, reply) => {
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
    await vi.waitFor(() => expect(lines()).toMatchObject([{ act: "policy-published", of: 7, outcome }]), {
      timeout: 60_000,
    });
  });
});

const ports = {} as Pick<HttpPorts, "audit" | "lookup">;

type Config = { audit?: { act: "policy-published" } | "keeps nothing" };

function adding(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", config: Config, hide = false): () => unknown {
  const app = Fastify({ logger: false });
  auditActs(app, ports, () => "account-service");
  return () => app.route({ method, url: "/v1/secrets", config, schema: { hide }, handler: async () => undefined });
}

test.each(["POST", "PUT", "PATCH", "DELETE"] as const)("a %s route that names no act does not start", (method) => {
  expect(adding(method, {})).toThrow(`${method} /v1/secrets names no act`);
  expect(adding(method, { audit: { act: "policy-published" } })).not.toThrow();
  expect(adding(method, { audit: "keeps nothing" })).not.toThrow();
});

test("a route that only reads, and one that only refuses, need none", () => {
  expect(adding("GET", {})).not.toThrow();
  expect(adding("PATCH", {}, true)).not.toThrow();
});
