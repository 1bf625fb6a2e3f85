/**
 * What a route asks of the token that opens it: alternatives, each a list of scopes that one token must have together. The
 * routes of a scope stand in one table by operation id; a route that is not in it does not start.
 */
import type { FastifyInstance } from "fastify";
import { TOKEN_SCOPES, type TokenScope } from "../model/named-token.ts";

export type Needs = readonly (readonly TokenScope[])[];

/** One of these is enough. */
export const oneOf = (...scopes: readonly TokenScope[]): Needs => scopes.map((scope) => [scope]);
/** Each of these is needed. */
export const allOf = (...scopes: readonly TokenScope[]): Needs => [scopes];

/** The token of the configuration. */
export const EVERY_SCOPE: ReadonlySet<TokenScope> = new Set(TOKEN_SCOPES);

export function mayAsk(scopes: ReadonlySet<TokenScope>, needs: Needs): boolean {
  return needs.some((together) => together.every((scope) => scopes.has(scope)));
}

/** In words, for the description of the interface. */
export function inWords(needs: Needs): string {
  const ways = needs.map((together) => together.map((scope) => `\`${scope}\``).join(" and "));
  return `Needs a token with the scope ${ways.join(" or ")}.`;
}

/** Puts into `config.needs` of every route that is added from now on what the table says of it. Before `describeRoutes`. */
export function declareScopes(scope: FastifyInstance, table: Readonly<Record<string, Needs>>): void {
  scope.addHook("onRoute", (route) => {
    const { schema, method, url } = route;
    if (schema?.hide === true) return;
    const { operationId = "" } = (schema ?? {}) as { operationId?: string };
    const needs = Object.hasOwn(table, operationId) ? table[operationId] : undefined;
    if (needs === undefined) throw new Error(`${method} ${url} has no row in the table of scopes`);
    route.config = { ...route.config, needs };
  });
}
