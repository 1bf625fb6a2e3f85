/**
 * Sessions of the privacy centre: a sealed cookie for at most a quarter of an hour, good below `/centre`
 * alone, and a header that only the page itself can send with whatever changes something.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { openSession, type SessionClaims } from "./claims.ts";

export const CENTRE_PATH = "/centre";
const PAGE_HEADER = "x-privacy-centre";
const COOKIE = "consentry-centre";
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

const sessions = new WeakMap<FastifyRequest, SessionClaims>();

/** Every route of this scope answers 401 without a session. */
export function requireSession(scope: FastifyInstance, centre: NonNullable<HttpPorts["centre"]>): void {
  scope.addHook("onRequest", async (request, reply) => {
    const session = givenSession(request, centre);
    if (session === undefined) return refuse(reply, "session-ended");
    sessions.set(request, session);
  });
}

/** Whatever session a request came with, where none is asked for. */
export function givenSession(
  request: FastifyRequest,
  centre: Pick<NonNullable<HttpPorts["centre"]>, "sessions">,
): SessionClaims | undefined {
  const text = cookieOf(request);
  return text === undefined ? undefined : openSession(centre.sessions, text, Date.now());
}

/** Another site can make a browser send a request here, but never with this header. */
export function requirePage(scope: FastifyInstance): void {
  scope.addHook("onRequest", async (request, reply) => {
    if (request.method === "GET" || request.headers[PAGE_HEADER] === "1") return;
    return refuse(reply, "not-from-the-page");
  });
}

export function sessionOf(request: FastifyRequest): SessionClaims {
  const session = sessions.get(request);
  if (session === undefined) throw new Error("a route of the centre outside a session");
  return session;
}

export function setSession(request: FastifyRequest, reply: FastifyReply, ports: CookiePorts, text: string): void {
  const seconds = Math.floor(ports.sessionMinutes * 60);
  reply.header("set-cookie", cookie(request, ports, text, seconds));
}

export function clearSession(request: FastifyRequest, reply: FastifyReply, ports: CookiePorts): void {
  reply.header("set-cookie", cookie(request, ports, "", 0));
}

type CookiePorts = Pick<NonNullable<HttpPorts["centre"]>, "publicUrl" | "sessionMinutes">;

function cookie(request: FastifyRequest, { publicUrl }: CookiePorts, value: string, seconds: number): string {
  const attributes = [`Path=${CENTRE_PATH}`, `Max-Age=${seconds}`, "HttpOnly", "SameSite=Strict"];
  // Browsers take it for plain text only where nobody is on the way.
  const plain = LOOPBACK.test(request.host) && (publicUrl === undefined || publicUrl.startsWith("http:"));
  return [`${COOKIE}=${value}`, ...attributes, ...(plain ? [] : ["Secure"])].join("; ");
}

function cookieOf(request: FastifyRequest): string | undefined {
  for (const pair of (request.headers.cookie ?? "").split(";")) {
    const [name = "", value] = pair.trim().split("=", 2);
    if (name === COOKIE) return value;
  }
  return undefined;
}
