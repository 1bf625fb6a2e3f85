/** Who may ask: whoever holds a bearer token. Compared by digest, in constant time. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { refuse } from "./problems.ts";

/** One of those who may place a legal hold; the name is a code, not a person. */
export interface Approver {
  readonly name: string;
  readonly token: string;
}

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i;
const approvers = new WeakMap<FastifyRequest, string>();

/** Every route of this scope answers 401 without the token, before anything else of the request is looked at. */
export function requireToken(scope: FastifyInstance, token: string): void {
  const expected = digest(token);
  scope.addHook("onRequest", async (request, reply) => {
    if (timingSafeEqual(given(request), expected)) return;
    reply.header("www-authenticate", 'Bearer realm="consentry"');
    return refuse(reply, "unauthorized");
  });
}

/** The same for the tokens of approvers, each of which tells who asks. The account service's own token is none of them. */
export function requireApprover(scope: FastifyInstance, known: readonly Approver[]): void {
  const expected = known.map(({ name, token }) => ({ name, digest: digest(token) }));
  scope.addHook("onRequest", async (request, reply) => {
    const digest = given(request);
    const found = expected.filter((approver) => timingSafeEqual(approver.digest, digest));
    if (found[0] !== undefined) {
      approvers.set(request, found[0].name);
      return;
    }
    reply.header("www-authenticate", 'Bearer realm="consentry-approver"');
    return refuse(reply, "unauthorized");
  });
}

/** Whose token a request of an approver's scope carried. */
export function approverOf(request: FastifyRequest): string | undefined {
  return approvers.get(request);
}

function given(request: FastifyRequest): Buffer {
  return digest(BEARER.exec(request.headers.authorization ?? "")?.[1] ?? "");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
