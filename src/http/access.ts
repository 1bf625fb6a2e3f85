/** Who may ask: whoever holds the bearer token. Compared by digest, in constant time. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { refuse } from "./problems.ts";

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i;

/** Every route of this scope answers 401 without the token, before anything else of the request is looked at. */
export function requireToken(scope: FastifyInstance, token: string): void {
  const expected = digest(token);
  scope.addHook("onRequest", async (request, reply) => {
    const given = BEARER.exec(request.headers.authorization ?? "")?.[1] ?? "";
    if (timingSafeEqual(digest(given), expected)) return;
    reply.header("www-authenticate", 'Bearer realm="consentry"');
    return refuse(reply, "unauthorized");
  });
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
