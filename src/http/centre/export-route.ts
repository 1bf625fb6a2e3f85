/** Everything held for a person, handed to that person: the account service's export, under their names for their devices. */
import { z } from "zod";
import type { DeviceKey } from "../../model/ids.ts";
import type { Scope } from "../contract.ts";
import { EXPORT_FORMATS, exportContent, sendExport } from "../export-stream.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";
import { enterOpen } from "./entered.ts";
import { authorityOf } from "./guardian.ts";
import { devicesEver } from "./record.ts";

const HANDLER_TIMEOUT_MS = 6 * 3_600_000;

export function exportRoute(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/centre/api/export",
    {
      handlerTimeout: HANDLER_TIMEOUT_MS,
      exposeHeadRoute: false,
      config: {
        audit: { act: "export", unstoppable: true },
        problems: ["session-closed", "too-many-exports", "store-unavailable", "store-unreadable"],
      },
      schema: {
        operationId: "centreExport",
        tags: ["privacy centre"],
        summary: "Everything held for oneself",
        description: "The export of the account service, in its two forms; devices carry the names of the link.",
        querystring: z.strictObject({ format: z.enum(EXPORT_FORMATS).default("ndjson") }),
        response: {
          200: {
            description: "The lines, or their summary.",
            content: exportContent,
          },
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
