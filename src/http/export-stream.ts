/** An export on its way to whoever asked for it: lines or words, and the end that vouches for what came before. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { BegunExport, ExportItem, ExportLineOf } from "../model/export.ts";
import type { HttpPorts } from "./ports.ts";

export const EXPORT_FORMATS = ["ndjson", "summary"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
type OpenExport = Extract<BegunExport, { readonly refused?: undefined }>;

export const NDJSON = "application/x-ndjson";
const TEXT = "text/plain; charset=utf-8";
const FILE_NAMES: Readonly<Record<ExportFormat, string>> = { ndjson: "export.ndjson", summary: "export.txt" };
const CHUNK_CHARACTERS = 64 * 1024;
/** A receiver that takes nothing for so long is cut off. */
const STALLED_MS = 120_000;

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
