/** What can be done on the console. Each act says in its request what it does, and stands in the audit log under the name of the token. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { MINUTE_MS } from "../../model/durations.ts";
import { DEAD_LETTER_REASONS, type DeadLetterReason } from "../../model/outcome.ts";
import type { DeadLetter } from "../../queue/dead-letters.ts";
import { auditActs } from "../audited.ts";
import type { Scope } from "../contract.ts";
import { done } from "../fields.ts";
import { asOperator } from "../operator-act.ts";
import { refuse } from "../problems.ts";
import { reloadedOr } from "../reload-answer.ts";
import type { ConsolePorts } from "./ports.ts";
import { CONSOLE_PATH, sessionOf } from "./session-routes.ts";
import type { Sessions } from "./sessions.ts";
import { CONFIRM, letters, reload, reloaded, replay, replayed, trace, traceAsked, traceList } from "./shapes.ts";

const API = `${CONSOLE_PATH}/api`;
const MOST_LISTED = 200;
const tracePath = z.strictObject({ id: z.string().regex(/^[A-Za-z0-9_-]{12}$/) });

export function actRoutes(scope: Scope, ports: ConsolePorts, sessions: Sessions): void {
  confirmedOnly(scope);
  auditActs(scope, ports, () => "operator");

  scope.get(
    `${API}/letters`,
    { schema: { operationId: "consoleLetters", response: { 200: letters } } },
    async (request) => {
      const all = await ports.letters(sessionOf(request).use).list();
      return {
        total: all.length,
        byReason: byReason(all),
        letters: all.slice(0, MOST_LISTED).map(({ id, reason, at, messages }) => ({
          id,
          reason,
          at: inMinutes(at),
          messages,
        })),
      };
    },
  );

  scope.post(
    `${API}/letters/replay`,
    {
      // The acts themselves write how many there were to be, and how many it became.
      config: {
        audit: "keeps nothing",
        confirm: ({ id }) => (id === "all" ? CONFIRM.replayAll : CONFIRM.replay(String(id))),
      },
      schema: { operationId: "consoleReplay", body: replay, response: { 200: replayed } },
    },
    async (request, reply) => {
      const { id } = request.body;
      const acts = ports.letters(sessionOf(request).use);
      const before = id === "all" ? (await acts.list()).length : 1;
      const { done } = await acts.replay(id);
      // Under a hold, gone, taken: which of them would say something of the person beside a trace of their device.
      if (id !== "all" && done === 0) return refuse(reply, "letter-taken");
      return reply.send({ done, left: Math.max(0, before - done) });
    },
  );

  scope.post(
    `${API}/reload`,
    {
      config: { audit: { act: "configuration-reloaded" }, confirm: () => CONFIRM.reload },
      schema: { operationId: "consoleReload", body: reload, response: { 200: reloaded } },
    },
    async (_request, reply) => reloadedOr(reply, await ports.reload()),
  );

  traceRoutes(scope, ports, sessions);
}

function traceRoutes(scope: Scope, { traces, lookup, audit }: ConsolePorts, sessions: Sessions): void {
  scope.get(
    `${API}/traces`,
    { config: { ofDevice: true }, schema: { operationId: "consoleTraces", response: { 200: traceList } } },
    async (request) => ({
      traces: traces.of(sessionOf(request).id).map(({ lines: _, ...one }) => shown({ ...one })),
    }),
  );

  scope.post(
    `${API}/traces`,
    {
      config: { audit: "keeps nothing", confirm: () => CONFIRM.trace },
      schema: { operationId: "consoleTrace", body: traceAsked, response: { 201: trace } },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      const { id, use } = session;
      // It may have ended while the line was written; nothing would end the trace then.
      const stands = () => sessions.standing(session) !== "ended";
      const device = lookup.deviceKey(request.body.device);
      const asked = { act: "device-traced", device, use, refused: (trace: unknown) => trace === undefined } as const;
      const begun = await asOperator(audit, asked, () => traces.start(device, id, stands));
      if (begun === undefined) return refuse(reply, stands() ? "too-many-traces" : "session-ended");
      return reply.code(201).send({ ...shown(begun), lines: [] });
    },
  );

  scope.get(
    `${API}/traces/:id`,
    {
      config: { ofDevice: true },
      schema: { operationId: "consoleTraceOf", params: tracePath, response: { 200: trace } },
    },
    async (request, reply) => {
      const found = traces.get(request.params.id, sessionOf(request).id);
      if (found === undefined) return refuse(reply, "unknown-trace");
      return reply.send({ ...shown(found), lines: found.lines.map((line) => ({ ...line, ms: inMs(line.ms) })) });
    },
  );

  scope.delete(
    `${API}/traces/:id`,
    {
      config: { audit: "keeps nothing" },
      schema: { operationId: "consoleForgetTrace", params: tracePath, response: { 204: done } },
    },
    async (request, reply) => {
      if (!traces.forget(request.params.id, sessionOf(request).id)) return refuse(reply, "unknown-trace");
      return reply.code(204).send(null);
    },
  );
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** What `confirm` must say in the body of an act on the console. */
    confirm?: (body: Readonly<Record<string, unknown>>) => string;
  }
}

/** Before the audit: what was not meant was not asked. */
function confirmedOnly(scope: Scope): void {
  scope.addHook("preHandler", async (request: FastifyRequest, reply: FastifyReply) => {
    const { confirm } = request.routeOptions.config;
    if (confirm === undefined) return;
    const body = request.body as Readonly<Record<string, unknown>>;
    if (body.confirm !== confirm(body)) return refuse(reply, "not-confirmed");
  });
}

function shown<Kept extends Omit<z.infer<typeof trace>, "lines" | "ended"> & { ended?: unknown }>(kept: Kept) {
  const { id, startedAt, endsAt, ended } = kept;
  return { id, startedAt, endsAt, ...(ended !== undefined && { ended: ended as z.infer<typeof trace>["ended"] }) };
}

/** A tenth of one is as fine as it need be. */
function inMs(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10;
}

/** Beside the lines of a trace a finer time would say whose letter it is. */
function inMinutes(at: number): number {
  return Math.floor(at / MINUTE_MS) * MINUTE_MS;
}

function byReason(all: readonly DeadLetter[]): z.infer<typeof letters>["byReason"] {
  return (Object.keys(DEAD_LETTER_REASONS) as DeadLetterReason[]).flatMap((reason) => {
    const of = all.filter((letter) => letter.reason === reason);
    if (of.length === 0) return [];
    const messages = of.reduce((sum, letter) => sum + letter.messages, 0);
    return [{ reason, letters: of.length, messages, oldestAt: inMinutes(Math.min(...of.map(({ at }) => at))) }];
  });
}
