/** Everything held for a person, handed to that person: the account service's export, under their names for their devices. */
import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { exportLine } from "../../model/export.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { EXPORT_EXAMPLE, EXPORT_SUMMARY_EXAMPLE } from "../examples.ts";
import { EXPORT_FORMATS, sendExport } from "../export-stream.ts";
import type { HttpPorts } from "../ports.ts";
import { problemResponses, refuse } from "../problems.ts";
import { CENTRE_PROBLEMS, enterOpen } from "./entered.ts";
import { authorityOf } from "./guardian.ts";
import { devicesEver } from "./record.ts";

const HANDLER_TIMEOUT_MS = 6 * 3_600_000;

export function exportRoute(scope: FastifyInstance, ports: HttpPorts): void {
  scope.withTypeProvider<ZodTypeProvider>().get(
    "/centre/api/export",
    {
      handlerTimeout: HANDLER_TIMEOUT_MS,
      exposeHeadRoute: false,
      schema: {
        operationId: "centreExport",
        tags: ["privacy centre"],
        security: [{ centre: [] }],
        summary: "Everything held for oneself",
        description: "The export of the account service, in its two forms; devices carry the names of the link.",
        querystring: z.strictObject({ format: z.enum(EXPORT_FORMATS).default("ndjson") }),
        response: {
          200: {
            description: "The lines, or their summary.",
            content: {
              "application/x-ndjson": { schema: exportLine.meta({ examples: EXPORT_EXAMPLE }) },
              "text/plain": { schema: z.string().meta({ examples: [EXPORT_SUMMARY_EXAMPLE] }) },
            },
          },
          ...problemResponses(
            ...CENTRE_PROBLEMS,
            "session-closed",
            "too-many-exports",
            "store-unavailable",
            "store-unreadable",
          ),
        },
      },
    },
    async (request, reply) => {
      const entered = await enterOpen(ports, request);
      if ("refused" in entered) return refuse(reply, entered.refused);
      const { session, person } = entered;
      const known = devicesEver(person.record);
      const labels = new Map<DeviceKey, string>();
      for (const [number, label] of session.labels) {
        const key = known[number - 1];
        if (key !== undefined) labels.set(key, label);
      }
      const begun = await ports.exports.begin(session.tag, { ...authorityOf(person.record, session), labels });
      if (begun.refused !== undefined) return refuse(reply, begun.refused);
      return sendExport(reply, begun, request.query.format, ports.exports.summary);
    },
  );
}
