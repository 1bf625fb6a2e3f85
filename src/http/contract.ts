/**
 * What routes say of themselves beside their handler, in Fastify's `config`, and what a scope says for all of its
 * routes. Both end up in the OpenAPI description, so that no route has to repeat what its scope already says.
 */
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { AuditedAct } from "./audited.ts";
import { BODY_PROBLEMS, type ProblemCode, problemResponses } from "./problems.ts";
import { inWords, type Needs } from "./scopes.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Its row in the audit log. Every route that changes something needs one, see `audited.ts`. */
    audit?: AuditedAct | "keeps nothing";
    /** What the token that opens it must be for, see `scopes.ts`. */
    needs?: Needs;
    /** What it refuses with, besides the problems of its scope. */
    problems?: readonly ProblemCode[];
  }
}

/** Where routes are added: with zod schemas, from which Fastify derives the types of requests and answers. */
export type Scope = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

interface Shared {
  /** The name of the security scheme in the description; absent: the routes are open. */
  readonly security?: "token" | "approver" | "centre";
  readonly problems: readonly ProblemCode[];
}

/** Describes every route that is added to this scope from now on. */
export function describeRoutes(scope: Scope, { security, problems }: Shared): void {
  scope.addHook("onRoute", (route) => {
    const { schema = {}, method, config } = route;
    if (schema.hide === true) return;
    const { description } = schema as { description?: string };
    const needs = config?.needs;
    const ofBody = schema.body === undefined && method !== "POST" ? [] : BODY_PROBLEMS;
    route.schema = {
      ...schema,
      // An empty list says that nothing is needed, where none would leave it open.
      security: security ? (needs ?? [[]]).map((scopes) => ({ [security]: scopes })) : (schema.security ?? []),
      ...(needs && { description: `${description} ${inWords(needs)}` }),
      response: {
        ...(schema.response ?? {}),
        ...problemResponses(...problems, ...ofBody, ...(config?.problems ?? [])),
      },
    };
  });
}
