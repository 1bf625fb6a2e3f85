/** An export as it is sent: lines or plain words, and a last line with a hash of everything before it. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import { type BegunExport, type ExportItem, type ExportLineOf, exportLine } from "../model/export.ts";
import { EXAMPLE } from "./fields.ts";
import type { HttpPorts } from "./ports.ts";

export const EXPORT_FORMATS = ["ndjson", "summary"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
type OpenExport = Extract<BegunExport, { readonly refused?: undefined }>;

export const NDJSON = "application/x-ndjson";
export const EXPORT_EXAMPLE = [
  {
    kind: "export" as const,
    format: 1 as const,
    at: 1_767_225_600_000,
    controller: "vendor",
    contact: { name: "Data protection office", email: "privacy@example.com" },
    subject: EXAMPLE.subject,
    by: "subject" as const,
  },
  { kind: "device" as const, device: EXAMPLE.device, bound: true, asked: 0 },
  {
    kind: "decision" as const,
    device: EXAMPLE.device,
    state: "given" as const,
    given: { analytics: ["location" as const, "status" as const] },
    used: { analytics: ["location" as const, "status" as const] },
    suspended: [],
    policyVersion: 1,
    expiresAt: 1_798_761_600_000,
    minor: false,
    guardianVerified: false,
    held: false,
  },
  {
    kind: "disclosure" as const,
    recipient: "weather-service",
    purpose: "weather" as const,
    day: "2025-12-31",
    count: 48,
    region: "IN",
  },
  {
    kind: "location" as const,
    device: EXAMPLE.device,
    cell: "8560145bfffffff",
    resolution: 5,
    epochStart: 1_766_620_800_000,
    center: { lat: 12.9716, lon: 77.5946 },
  },
  {
    kind: "status" as const,
    device: EXAMPLE.device,
    at: 1_767_225_599_123,
    timeNs: "1767225599123000456",
    model: "hub",
    status: { power_on: true, temperature: 21.5, preset: "eco" },
  },
  {
    kind: "end" as const,
    counts: { devices: 1, locations: 1, statuses: 1, setAside: 0, disclosures: 1 },
    sha256: "0c3e1b6f5a9d4872e1f0b3c6d9a8e7f4051627384950a1b2c3d4e5f60718293a",
  },
];

/** The two forms of an answer that is an export. */
export const exportContent = {
  [NDJSON]: { schema: exportLine.meta({ examples: EXPORT_EXAMPLE }) },
  "text/plain": { schema: z.string().meta({ examples: ["What is held about you\n======================\n"] }) },
};

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
    // When nothing waits to be sent, it is the store that is slow, and not the receiver.
    if (stream.readableLength > 0) stream.destroy(new Error("the receiver takes nothing"));
  });
  return reply
    .code(200)
    .type(format === "ndjson" ? NDJSON : TEXT)
    .header("content-disposition", `attachment; filename="${FILE_NAMES[format]}"`)
    .header("cache-control", "no-store")
    .send(stream);
}

/** The lines as bytes; the last one has counts and a hash of all the others. */
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
