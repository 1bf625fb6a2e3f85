/** The way into the privacy centre and out of it: a link is exchanged for a session, once. */
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { timestampMs } from "../../model/consent-record.ts";
import { auditActs } from "../audited.ts";
import type { Scope } from "../contract.ts";
import { done } from "../fields.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { beginSession, type LinkClaims, openLink } from "./claims.ts";
import { guardianRefusal } from "./guardian.ts";
import { clearSession, endSession, isOutlived, sessionTerm, setSession } from "./session.ts";

const MAX_TOKEN_CHARACTERS = 4_096;

const exchangeBody = z
  .strictObject({ token: z.string().min(1).max(MAX_TOKEN_CHARACTERS) })
  .meta({ examples: [{ token: "1.qY7d…" }] });
const exchangeAnswer = z
  .strictObject({ endsAt: timestampMs })
  .describe("The session itself is a cookie that no script can read.")
  .meta({ examples: [{ endsAt: 1_767_226_500_000 }] });

const links = new WeakMap<FastifyRequest, LinkClaims>();

export function sessionRoutes(scope: Scope, ports: HttpPorts, centre: CentrePort): void {
  // Before the audit: only a link that we sealed gets a line, else anyone could fill the log.
  scope.addHook("preHandler", async (request, reply) => {
    if (request.method !== "POST") return;
    const opened = openLink(centre.links, (request.body as z.infer<typeof exchangeBody>).token, Date.now());
    const link = "nonce" in opened && isOutlived(opened, ports) ? { refused: "link-invalid" as const } : opened;
    if ("refused" in link) {
      ports.metrics.httpRefused("bad-link");
      return refuse(reply, link.refused);
    }
    links.set(request, link);
  });
  auditActs(
    scope,
    ports,
    (request) => links.get(request)?.by ?? "subject",
    (request) => links.get(request)?.tag,
  );
  scope.post(
    "/centre/session",
    {
      config: {
        audit: { act: "link-used" },
        problems: [
          "invalid-request",
          "link-invalid",
          "link-expired",
          "link-used",
          "guardian-mismatch",
          "guardian-unverified",
          "unknown-subject",
          "conflict",
        ],
      },
      schema: {
        operationId: "openCentre",
        tags: ["privacy centre"],
        summary: "Exchange a link for a session",
        description:
          "The link is spent with it. The session lasts minutes, can be put off within a bound (`POST /centre/api/stay`), and is good below `/centre` alone; one that the browser had before ends.",
        body: exchangeBody,
        response: {
          201: exchangeAnswer,
        },
      },
    },
    async (request, reply) => {
      const link = links.get(request);
      if (link === undefined) return refuse(reply, "link-invalid");
      const now = Date.now();
      if (!(await centre.spentLinks.spend(link.nonce, link.exp - now))) return refuse(reply, "link-used");
      const record = await ports.ledger.record(link.tag);
      if (record === undefined) return refuse(reply, "unknown-subject");
      const refusal = guardianRefusal(record, link);
      if (refusal !== undefined) return refuse(reply, refusal);
      await endSession(request, centre);
      const session = beginSession(link, now, sessionTerm(centre));
      setSession(request, reply, centre, session, now);
      return reply.code(201).send({ endsAt: session.exp });
    },
  );

  scope.delete(
    "/centre/session",
    {
      config: { audit: "keeps nothing" },
      schema: {
        operationId: "leaveCentre",
        tags: ["privacy centre"],
        summary: "Leave",
        description:
          "Takes the cookie back and ends the session, so that no copy of the cookie is good any more. The cookie goes also with an answer that is an error.",
        response: {
          204: done,
        },
      },
    },
    async (request, reply) => {
      clearSession(request, reply, centre);
      await endSession(request, centre);
      return reply.code(204).send(null);
    },
  );
}
