/** What only a page of the gateway can ask for: another site can make a browser send a request here, but never with this header. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { refuse } from "./problems.ts";

export interface PageHeader {
  readonly name: string;
  readonly value: RegExp;
}

/** For everything in this scope but reading. */
export function requirePage(scope: FastifyInstance, header: PageHeader): void {
  scope.addHook("onRequest", async (request, reply) => {
    if (request.method === "GET" || isFromPage(request, header)) return;
    return refuse(reply, "not-from-the-page");
  });
}

export function isFromPage(request: FastifyRequest, { name, value }: PageHeader): boolean {
  const given = request.headers[name];
  return typeof given === "string" && value.test(given);
}
