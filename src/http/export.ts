/** Access and portability: everything held for a subject as JSON lines, or summed up in plain words. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { type BegunExport, EXPORT_ASKERS, type ExportItem, type ExportLineOf, exportLine } from "../model/export.ts";
import { EXPORT_EXAMPLE, EXPORT_SUMMARY_EXAMPLE } from "./examples.ts";
import { deviceId, guardianRef, subjectPath } from "./fields.ts";
import type { HttpPorts } from "./ports.ts";
import { COMMON_PROBLEMS, problemResponses, refuse } from "./problems.ts";

export const EXPORT_FORMATS = ["ndjson", "summary"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
export type OpenExport = Extract<BegunExport, { readonly refused?: undefined }>;

const NDJSON = "application/x-ndjson";
const TEXT = "text/plain; charset=utf-8";
const FILE_NAMES: Readonly<Record<ExportFormat, string>> = { ndjson: "export.ndjson", summary: "export.txt" };
const MAX_DEVICES = 256;
const CHUNK_CHARACTERS = 64 * 1024;
/** Reading may take long; a receiver that takes nothing for a while is cut off sooner. */
const MAX_EXPORT_MS = 6 * 3_600_000;
const STALLED_MS = 120_000;

const exportQuery = z.strictObject({
  by: z.enum(EXPORT_ASKERS).default("subject").describe("On whose word the export is asked for."),
  guardianRef,
  device: z
    .union([deviceId, z.array(deviceId).min(1).max(MAX_DEVICES)])
    .optional()
    .describe("Repeatable. The line of such a device says which parameter it was, so that its key is known."),
  format: z.enum(EXPORT_FORMATS).optional().describe("Absent: as `Accept` says."),
});

export function exportRoutes(scope: FastifyInstance, ports: HttpPorts): void {
  scope.withTypeProvider<ZodTypeProvider>().get(
    "/v1/subjects/:subject/export",
    {
      handlerTimeout: MAX_EXPORT_MS,
      exposeHeadRoute: false,
      schema: {
        operationId: "exportSubject",
        tags: ["access"],
        summary: "Everything held for a subject",
        description:
          "One JSON object a line: the consent record, what holds for each device, what the store holds under every pseudonym the devices ever had, what was set aside, to whom something was disclosed, holds and erasures. The last line is of the kind `end`, with the SHA-256 of all bytes before it: an answer without it was cut off. `text/plain` sums the same up in words. Open also while a legal hold stands. A store that is away is answered with a problem, never with less.",
        params: subjectPath,
        querystring: exportQuery,
        response: {
          200: {
            description: "The lines, each of one of these kinds.",
            content: {
              [NDJSON]: { schema: exportLine.meta({ examples: EXPORT_EXAMPLE }) },
              "text/plain": { schema: z.string().meta({ examples: [EXPORT_SUMMARY_EXAMPLE] }) },
            },
          },
          ...problemResponses(
            ...COMMON_PROBLEMS,
            "guardian-mismatch",
            "guardian-not-on-file",
            "unknown-subject",
            "device-not-bound",
            "too-many-exports",
            "store-unavailable",
            "store-unreadable",
          ),
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

/** The reply is finished when the export is; a fault in its middle ends the connection before the last line. */
export function sendExport(
  reply: FastifyReply,
  begun: OpenExport,
  format: ExportFormat,
  summary: HttpPorts["exports"]["summary"],
  stalledMs = STALLED_MS,
): FastifyReply {
  const source = format === "ndjson" ? exportBytes(begun.items) : textBytes(begun.items, summary);
  const stream = Readable.from(source, { objectMode: false, highWaterMark: CHUNK_CHARACTERS });
  stream.once("close", begun.close);
  reply.raw.setTimeout(stalledMs, () => {
    // Nothing waiting to be taken: it is the store that takes its time.
    if (stream.readableLength > 0) stream.destroy(new Error("the receiver takes nothing"));
  });
  return reply
    .code(200)
    .type(format === "ndjson" ? NDJSON : TEXT)
    .header("content-disposition", `attachment; filename="${FILE_NAMES[format]}"`)
    .header("cache-control", "no-store")
    .send(stream);
}

/** The lines as bytes, with the one at the end that vouches for the others. */
export async function* exportBytes(items: AsyncIterable<ExportItem>): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  const counts = { devices: 0, locations: 0, statuses: 0, setAside: 0, disclosures: 0 };
  let text = "";
  for await (const item of items) {
    count(counts, item);
    text += `${JSON.stringify(item)}\n`;
    if (text.length < CHUNK_CHARACTERS) continue;
    hash.update(text);
    yield Buffer.from(text);
    text = "";
  }
  hash.update(text);
  const end: ExportLineOf<"end"> = { kind: "end", counts, sha256: hash.digest("hex") };
  yield Buffer.from(`${text}${JSON.stringify(end)}\n`);
}

async function* textBytes(
  items: AsyncIterable<ExportItem>,
  summary: HttpPorts["exports"]["summary"],
): AsyncGenerator<Buffer> {
  yield Buffer.from(await summary(items));
}

const COUNTED: Partial<Record<ExportItem["kind"], keyof ExportLineOf<"end">["counts"]>> = {
  device: "devices",
  location: "locations",
  status: "statuses",
  "set-aside": "setAside",
  disclosure: "disclosures",
};

function count(counts: ExportLineOf<"end">["counts"], { kind }: ExportItem): void {
  const name = COUNTED[kind];
  if (name !== undefined) counts[name] += 1;
}

/** The words only for whoever asks for text and not for the lines as well. */
export function formatFor(accept: string | undefined): ExportFormat {
  const types = (accept ?? "").split(",").map((one) => one.split(";")[0]?.trim().toLowerCase());
  return types.includes("text/plain") && !types.includes(NDJSON) ? "summary" : "ndjson";
}
