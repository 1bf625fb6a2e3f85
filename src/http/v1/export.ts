/** Access and portability: everything held for a subject as JSON lines, or summed up in plain words. */
import { z } from "zod";
import { EXPORT_ASKERS } from "../../model/export.ts";
import type { Scope } from "../contract.ts";
import { EXPORT_FORMATS, type ExportFormat, exportContent, NDJSON, sendExport } from "../export-stream.ts";
import { deviceId, guardianRef, subjectPath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const MAX_DEVICES = 256;
/** Reading may take long; a receiver that reads nothing is cut off sooner. */
const MAX_EXPORT_MS = 6 * 3_600_000;

const exportQuery = z.strictObject({
  by: z.enum(EXPORT_ASKERS).default("subject").describe("On whose word the export is asked for."),
  guardianRef,
  device: z
    .union([deviceId, z.array(deviceId).min(1).max(MAX_DEVICES)])
    .optional()
    .describe("Repeatable. The line of such a device says which parameter it was, so that its key is known."),
  format: z.enum(EXPORT_FORMATS).optional().describe("Absent: as `Accept` says."),
});

type ExportQuery = z.infer<typeof exportQuery>;

export function exportRoutes(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/v1/subjects/:subject/export",
    {
      handlerTimeout: MAX_EXPORT_MS,
      exposeHeadRoute: false,
      config: {
        audit: {
          act: "export",
          detail: ({ query }) => ({ stated: (query as ExportQuery).by }),
          unstoppable: true,
        },
        problems: [
          "guardian-mismatch",
          "guardian-not-on-file",
          "unknown-subject",
          "device-not-bound",
          "too-many-exports",
          "store-unavailable",
          "store-unreadable",
        ],
      },
      schema: {
        operationId: "exportSubject",
        tags: ["access"],
        summary: "Everything held for a subject",
        description:
          "One JSON object a line: the consent record, what holds for each device, what the store holds under every pseudonym the devices ever had, its dead letters, to whom something was disclosed, holds and erasures. The last line is of the kind `end`, with the SHA-256 of all bytes before it: an answer without it was cut off. `text/plain` sums the same up in words. Open also while a legal hold stands. A store that is away is answered with a problem, never with less.",
        params: subjectPath,
        querystring: exportQuery,
        response: {
          200: {
            description: "The lines, each of one of these kinds.",
            content: exportContent,
          },
        },
      },
    },
    async (request, reply) => {
      const { by, guardianRef: named, device } = request.query;
      const asked = (device === undefined ? [] : [device].flat()).map((one) => ports.lookup.deviceKey(one));
      const tag = ports.lookup.subjectTag(request.params.subject);
      const begun = await ports.exports.begin(tag, { by, guardianRef: named, asked });
      if (begun.refused !== undefined) return refuse(reply, begun.refused);
      const format = request.query.format ?? formatFor(request.headers.accept);
      return sendExport(reply, begun, format, ports.exports.summary);
    },
  );
}

/** Plain words only when the client accepts text and not the lines as well. */
export function formatFor(accept: string | undefined): ExportFormat {
  const types = (accept ?? "").split(",").map((one) => one.split(";")[0]?.trim().toLowerCase());
  return types.includes("text/plain") && !types.includes(NDJSON) ? "summary" : "ndjson";
}
