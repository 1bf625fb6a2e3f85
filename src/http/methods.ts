/** A known address with another method is answered 405 with `Allow` (RFC 9110, 15.5.6), and OPTIONS with `Allow` alone. */
import type { FastifyInstance, HTTPMethods } from "fastify";
import { refuse } from "./problems.ts";

const METHODS: readonly HTTPMethods[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Watches the routes added to this scope from now on; call what it returns once all are there. */
export function refuseOtherMethods(scope: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>();
  scope.addHook("onRoute", ({ url, method }) => {
    const methods = known.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    known.set(url, methods);
  });
  return () => {
    for (const [url, methods] of [...known]) {
      const allowed = [...methods].sort().join(", ");
      scope.route({
        url,
        method: METHODS.filter((method) => method !== "OPTIONS" && !methods.has(method)),
        schema: { hide: true },
        // Before the body: what it holds does not matter to this answer.
        onRequest: async (_request, reply) => refuse(reply.header("allow", allowed), "method-not-allowed"),
        handler: async (_request, reply) => refuse(reply, "method-not-allowed"),
      });
      // No `Access-Control-` field: no page of another origin may ask for anything here.
      scope.route({
        url,
        method: "OPTIONS",
        schema: { hide: true },
        config: { audit: "keeps nothing" },
        handler: async (_request, reply) => reply.code(204).header("allow", `${allowed}, OPTIONS`).send(),
      });
    }
  };
}
