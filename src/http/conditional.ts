/**
 * Conditions on reading (RFC 9110, 13): an answer that has an ETag is not sent again to who has it, and is refused to who asks for
 * another state of it. What has no ETag, and times of change, which no answer here has, are not compared.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { PROBLEM_TYPE, problemOf } from "./problems.ts";

export function honourConditions(scope: FastifyInstance): void {
  scope.addHook("onSend", async (request, reply, payload) => {
    const etag = reply.getHeader("etag");
    if (!isRead(request, reply) || typeof etag !== "string") return payload;
    const { "if-match": match, "if-none-match": noneMatch } = request.headers;
    if (match !== undefined && !names(match, etag)) {
      reply.code(412).type(PROBLEM_TYPE).removeHeader("content-length");
      return JSON.stringify(problemOf("precondition-failed"));
    }
    if (noneMatch === undefined || !names(noneMatch, etag)) return payload;
    reply.code(304).removeHeader("content-length").removeHeader("content-type");
    return null;
  });
}

function isRead({ method }: FastifyRequest, { statusCode }: FastifyReply): boolean {
  return statusCode === 200 && (method === "GET" || method === "HEAD");
}

/** A weak tag stands for the same bytes here. */
function names(condition: string, etag: string): boolean {
  return condition.split(",").some((one) => ["*", etag].includes(one.trim().replace(/^W\//, "")));
}
