/**
 * `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header): a client that did not receive the answer sends the same
 * request with the same key again, and the act is not done twice. Only answers of success are kept; a refusal changed nothing,
 * so the same key may be tried again.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { BegunAnswer, KeptAnswer } from "../model/kept-answer.ts";
import { tokenOf } from "./access.ts";
import { isOverdue } from "./audited.ts";
import type { HttpPorts } from "./ports.ts";
import { refuse } from "./problems.ts";

const HEADER = "idempotency-key";
const KEPT_HEADERS = ["content-type", "location"] as const;

const idempotencyHeaders = z.looseObject({
  [HEADER]: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/)
    .optional()
    .meta({
      description:
        "Best a random UUID. The same request under the same key is answered as the first was, and nothing is done again, for as long as `http.keptAnswerHours` says; another request under it is refused.",
      examples: ["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    }),
});

type Claim = Extract<BegunAnswer, { state: "new" }>;

/** Every POST that is added to this scope from now on takes the header. Comes before the audit: a repeated request is no act. */
export function honourKeys(scope: FastifyInstance, ports: Pick<HttpPorts, "keptAnswers">): void {
  const claims = new WeakMap<FastifyRequest, Claim>();

  scope.addHook("onRoute", (route) => {
    if (route.method !== "POST") return;
    route.schema = { ...route.schema, headers: idempotencyHeaders };
    const problems = [...(route.config?.problems ?? []), "idempotency-key-in-use", "idempotency-key-reused"] as const;
    route.config = { ...route.config, problems };
  });

  scope.addHook("preHandler", async (request, reply) => {
    const key = request.headers[HEADER];
    if (request.method !== "POST" || typeof key !== "string") return;
    // An answer may be a secret, and one that is repeated stands in no audit log: it is for who asked, under whatever token of theirs.
    const address = `${tokenOf(request)?.name ?? ""}${request.url}`;
    const begun = await ports.keptAnswers.begin(address, key, JSON.stringify(request.body ?? null));
    if (begun.state === "new") claims.set(request, begun);
    else if (begun.state === "answered") return answerAgain(reply, begun.answer);
    else return refuse(reply, begun.state === "reused" ? "idempotency-key-reused" : "idempotency-key-in-use");
  });

  scope.addHook("onSend", async (request, reply, payload) => {
    const claim = claims.get(request);
    // An act that goes on after its answer keeps its key until it can no longer be running.
    if (claim === undefined || isOverdue(request)) return payload;
    claims.delete(request);
    const done = reply.statusCode < 300 && typeof payload === "string";
    // The act is done, also when its answer cannot be kept.
    await (done ? claim.keep(answerIn(reply, payload)) : claim.release()).catch(() => undefined);
    return payload;
  });
}

function answerIn(reply: FastifyReply, body: string): KeptAnswer {
  const headers: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = reply.getHeader(name);
    if (typeof value === "string") headers[name] = value;
  }
  return { status: reply.statusCode, headers, body };
}

/** As bytes, so that the serializer does not change it. */
function answerAgain(reply: FastifyReply, { status, headers, body }: KeptAnswer): FastifyReply {
  return reply
    .code(status)
    .headers({ ...headers, "idempotency-replayed": "true" })
    .send(Buffer.from(body));
}
