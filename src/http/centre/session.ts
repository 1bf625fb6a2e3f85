/**
 * Sessions of the privacy centre: a sealed cookie for at most a quarter of an hour, which the person can put off
 * within a bound that is sealed with it, and a header that only the page itself can send with whatever changes
 * something. Who leaves ends the session, not only the cookie.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Callers } from "../access.ts";
import { letIn } from "../connections.ts";
import { type Cookie, cookieIn, setCookie } from "../cookies.ts";
import { isFromPage, type PageHeader } from "../page-request.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { type Holder, openSession, type SessionClaims, type SessionTerm } from "./claims.ts";
import { shareOfOne } from "./share.ts";

export const CENTRE_PATH = "/centre";
export const COOKIE = "consentry-centre";
/** What a browser keeps under such a name comes from this host alone, and only over TLS. */
export const TLS_COOKIE = `__Host-${COOKIE}`;
const CENTRE_COOKIE: Cookie = { name: COOKIE, path: CENTRE_PATH, tls: { name: TLS_COOKIE, path: "/" } };
/** `1`, or the session whose data the page shows. */
export const CENTRE_PAGE: PageHeader = { name: "x-privacy-centre", value: /^(?:1|[A-Za-z0-9_-]{22})$/ };

const sessions = new WeakMap<FastifyRequest, SessionClaims>();

/**
 * Every route of this scope answers 401 without a session that was not left, and to a page that shows another
 * one: when another link was opened meanwhile, what is done on the old page must not count for the other person.
 */
export function requireSession(
  scope: FastifyInstance,
  ports: Pick<HttpPorts, "metrics" | "tokens">,
  centre: CentrePort,
  callers: Pick<Callers, "endWith">,
): void {
  const turnAway = (reply: FastifyReply): FastifyReply => {
    ports.metrics.httpRefused("no-session");
    return refuse(reply, "session-ended");
  };
  scope.addHook("onRequest", async (request, reply) => {
    const session = givenSession(request, centre);
    const shown = request.headers[CENTRE_PAGE.name] ?? "1";
    if (session === undefined || (shown !== "1" && shown !== session.id && isFromPage(request, CENTRE_PAGE)))
      return turnAway(reply);
    sessions.set(request, session);
  });
  // Before Redis is asked about the session.
  shareOfOne(scope, (request) => sessionOf(request).tag);
  scope.addHook("onRequest", async (request, reply) => {
    const session = sessionOf(request);
    if (isOutlived(session, ports) || (await centre.leftSessions.has(session.id))) return turnAway(reply);
    letIn(request.raw);
    if (session.via !== undefined) callers.endWith(session.via, request, reply);
  });
}

/**
 * Whether the token that a link was made with is none any more: else who had stolen it would go on in the sessions of others.
 * Throws REDIS_UNAVAILABLE while that can't be said.
 */
export function isOutlived({ via }: Pick<Holder, "via">, { tokens }: Pick<HttpPorts, "tokens">): boolean {
  return via !== undefined && !tokens.stands(via);
}

/** Ends the session of a request, if it has one, on every gateway: copies of the cookie and open live views included. */
export async function endSession(request: FastifyRequest, centre: CentrePort): Promise<void> {
  const session = givenSession(request, centre);
  if (session === undefined) return;
  centre.samples.endSession(session.id);
  // Until no copy of the cookie can be good any more, one that was given a later end included.
  await centre.leftSessions.leave(session.id, session.most - Date.now());
  await centre.recordChanged(session.tag);
}

function givenSession(request: FastifyRequest, centre: CentrePort): SessionClaims | undefined {
  const text = cookieIn(request, CENTRE_COOKIE, centre.publicUrl);
  return text === undefined ? undefined : openSession(centre.sessions, text, Date.now());
}

export function sessionOf(request: FastifyRequest): SessionClaims {
  const session = sessions.get(request);
  if (session === undefined) throw new Error("a route of the centre outside a session");
  return session;
}

export function setSession(
  request: FastifyRequest,
  reply: FastifyReply,
  centre: CentrePort,
  session: SessionClaims,
  now: number,
): void {
  const seconds = Math.ceil((session.exp - now) / 1_000);
  setCookie(request, reply, CENTRE_COOKIE, { value: centre.sessions.seal(session), seconds, ...whereOf(centre) });
}

/** As the options have it, in ms. */
export function sessionTerm({ sessionMinutes, sessionMaxMinutes }: CentrePort): SessionTerm {
  return { lastsMs: sessionMinutes * 60_000, mostMs: sessionMaxMinutes * 60_000 };
}

export function clearSession(request: FastifyRequest, reply: FastifyReply, centre: CentrePort): void {
  setCookie(request, reply, CENTRE_COOKIE, { value: "", seconds: 0, ...whereOf(centre) });
}

function whereOf({ publicUrl }: CentrePort): { publicUrl?: string } {
  return publicUrl === undefined ? {} : { publicUrl };
}
