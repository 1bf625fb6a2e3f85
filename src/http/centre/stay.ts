/** Who needs more time than a session lasts says so: WCAG 2.2.1, within a bound that was sealed when the session began. */
import { z } from "zod";
import type { Scope } from "../contract.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { prolonged } from "./claims.ts";
import { enter } from "./entered.ts";
import { overviewAnswer, overviewOf } from "./overview.ts";
import { sessionTerm, setSession } from "./session.ts";

export function stayRoute(scope: Scope, ports: HttpPorts, centre: CentrePort): void {
  scope.post(
    "/centre/api/stay",
    {
      config: { audit: "keeps nothing", problems: ["not-from-the-page"] },
      schema: {
        operationId: "centreStay",
        tags: ["privacy centre"],
        summary: "Put off the end of the session",
        description:
          "The session goes on for as long as a new one would last, but never beyond `endsAtLatest`. Nothing else changes, and nothing is recorded.",
        body: z.strictObject({}).meta({ examples: [{}] }),
        response: {
          200: overviewAnswer,
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
