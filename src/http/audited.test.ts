/** No route that changes something can be added without standing in the audit log. */
import Fastify from "fastify";
import { expect, test } from "vitest";
import { auditActs } from "./audited.ts";
import type { HttpPorts } from "./ports.ts";

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
