/** The way into the console and out of it: a token of scope `operate` is exchanged for a session of this gateway. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { asks, type Caller, type Callers, type Door, type DoorPorts } from "../access.ts";
import { auditActs } from "../audited.ts";
import { letIn } from "../connections.ts";
import type { Scope } from "../contract.ts";
import { type Cookie, cookieIn, setCookie } from "../cookies.ts";
import { done } from "../fields.ts";
import { isFromPage, type PageHeader } from "../page-request.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { EVERY_SCOPE, mayAsk, oneOf } from "../scopes.ts";
import type { ConsoleSession, Sessions } from "./sessions.ts";
import { session as sessionShape, signIn } from "./shapes.ts";

export const CONSOLE_PATH = "/operate";
const PATH = `${CONSOLE_PATH}/`;
export const CONSOLE_PAGE: PageHeader = { name: "x-consentry-console", value: /^1$/ };
const NEEDS = oneOf("operate");
const EXAMPLE = { name: "on-call", now: 1_767_225_600_000, endsAt: 1_767_227_400_000, endsAtLatest: 1_767_268_800_000 };

const sessionAnswer = sessionShape.meta({ examples: [EXAMPLE] });

type SessionPorts = DoorPorts & Pick<HttpPorts, "audit" | "lookup">;

const sessions = new WeakMap<FastifyRequest, ConsoleSession>();
const givenTokens = new WeakMap<FastifyRequest, Caller>();

export function signInRoutes(scope: Scope, ports: SessionPorts, known: Sessions, callers: Callers, door: Door): void {
  // Before the audit: who has no right token could fill the log.
  scope.addHook("preHandler", async (request, reply) => {
    if (request.method !== "POST") return;
    const caller = callers.whose((request.body as z.infer<typeof signIn>).token);
    if (caller === undefined) return refuse(reply, door.turnAway(request));
    if (!mayAsk(caller.scopes, NEEDS)) return door.refuseScope(reply, NEEDS);
    letIn(request.raw);
    asks(request, caller);
    givenTokens.set(request, caller);
  });
  auditActs(scope, ports, () => "operator");
  scope.post(
    `${CONSOLE_PATH}/session`,
    {
      config: {
        audit: { act: "console-opened" },
        problems: ["unauthorized", "forbidden", "too-many-failures", "too-many-sessions"],
      },
      schema: {
        operationId: "openConsole",
        body: signIn.meta({ examples: [{ token: "kP0s…" }] }),
        response: { 201: sessionAnswer },
      },
    },
    async (request, reply) => {
      const before = givenSession(request, known);
      if (before !== undefined) known.end(before);
      const begun = known.begin(givenTokens.get(request)?.use);
      if (begun === undefined) return refuse(reply, "too-many-sessions");
      const { secret, session } = begun;
      const seconds = Math.ceil((session.endsAtLatest - Date.now()) / 1_000);
      setCookie(request, reply, cookieOf(known), { value: secret, seconds });
      return reply.code(201).send(shown(session));
    },
  );

  scope.delete(
    `${CONSOLE_PATH}/session`,
    { config: { audit: "keeps nothing" }, schema: { operationId: "leaveConsole", response: { 204: done } } },
    async (request, reply) => {
      setCookie(request, reply, cookieOf(known), { value: "", seconds: 0 });
      const session = givenSession(request, known);
      if (session !== undefined) known.end(session);
      return reply.code(204).send(null);
    },
  );
}

export function stayRoutes(scope: Scope, known: Sessions): void {
  const answer = { response: { 200: sessionAnswer } };
  scope.get(`${CONSOLE_PATH}/api/session`, { schema: { operationId: "consoleSession", ...answer } }, async (request) =>
    shown(sessionOf(request)),
  );
  scope.post(
    `${CONSOLE_PATH}/api/stay`,
    {
      config: { audit: "keeps nothing" },
      schema: { operationId: "consoleStay", body: z.strictObject({}).meta({ examples: [{}] }), ...answer },
    },
    async (request) => {
      known.stay(sessionOf(request));
      return shown(sessionOf(request));
    },
  );
}

/** Every route of this scope answers 401 without a session, and changes nothing and says nothing of a device while no one can say whether its token is still good. */
export function requireConsoleSession(scope: FastifyInstance, ports: DoorPorts, known: Sessions): void {
  scope.addHook("onRequest", async (request, reply) => {
    const session = givenSession(request, known);
    const standing = session === undefined ? "ended" : known.standing(session);
    if (session === undefined || standing === "ended") return turnAway(reply, ports);
    const { ofDevice } = request.routeOptions.config;
    if (standing === "unknown" && (request.method !== "GET" || ofDevice)) return refuse(reply, "unavailable");
    sessions.set(request, session);
    letIn(request.raw);
    asks(request, { scopes: EVERY_SCOPE, ...(session.use && { use: session.use }) });
    // What a person does is a reason to stay; what the page reads by itself is none.
    if (request.method !== "GET" && isFromPage(request, CONSOLE_PAGE)) known.stay(session);
  });
}

export function sessionOf(request: FastifyRequest): ConsoleSession {
  const session = sessions.get(request);
  if (session === undefined) throw new Error("a route of the console outside a session");
  return session;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** What the route answers is said of one device. */
    ofDevice?: true;
  }
}

function cookieOf({ mark }: Sessions): Cookie {
  const name = `consentry-console-${mark}`;
  return { name, path: PATH, tls: { name: `__Secure-${name}`, path: PATH } };
}

function turnAway(reply: FastifyReply, { metrics }: DoorPorts): FastifyReply {
  metrics.httpRefused("no-session");
  return refuse(reply, "session-ended");
}

function givenSession(request: FastifyRequest, known: Sessions): ConsoleSession | undefined {
  const secret = cookieIn(request, cookieOf(known));
  return secret === undefined ? undefined : known.find(secret);
}

function shown({ use, endsAt, endsAtLatest }: ConsoleSession): z.infer<typeof sessionShape> {
  return { ...(use && { name: use.name }), now: Date.now(), endsAt, endsAtLatest };
}
