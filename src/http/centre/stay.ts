/** Who needs more time than a session lasts says so: WCAG 2.2.1, within a bound that was sealed when the session began. */
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { centreOverview } from "../../model/centre.ts";
import { OVERVIEW_EXAMPLE } from "../examples.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import { BODY_PROBLEMS, problemResponses, refuse } from "../problems.ts";
import { prolonged } from "./claims.ts";
import { CENTRE_PROBLEMS, enter } from "./entered.ts";
import { overviewOf } from "./overview.ts";
import { sessionTerm, setSession } from "./session.ts";

export function stayRoute(scope: FastifyInstance, ports: HttpPorts, centre: CentrePort): void {
  scope.withTypeProvider<ZodTypeProvider>().post(
    "/centre/api/stay",
    {
      schema: {
        operationId: "centreStay",
        tags: ["privacy centre"],
        security: [{ centre: [] }],
        summary: "Put off the end of the session",
        description:
          "The session goes on for as long as a new one would last, but never beyond `endsAtLatest`. Nothing else changes, and nothing is recorded.",
        body: z.strictObject({}).meta({ examples: [{}] }),
        response: {
          200: centreOverview.meta({ examples: [OVERVIEW_EXAMPLE] }),
          ...problemResponses(...CENTRE_PROBLEMS, ...BODY_PROBLEMS, "not-from-the-page"),
        },
      },
    },
    async (request, reply) => {
      const entered = await enter(ports, request);
      if ("refused" in entered) return refuse(reply, entered.refused);
      const now = Date.now();
      const session = prolonged(entered.session, now, sessionTerm(centre).lastsMs);
      const overview = await overviewOf(ports, session, entered.person);
      setSession(request, reply, centre, session, now);
      return reply.code(200).send(overview);
    },
  );
}
