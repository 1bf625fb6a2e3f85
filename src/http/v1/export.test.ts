/** The bytes of an export are complete and prove it, or are visibly incomplete; a receiver that reads nothing frees its place. */
import { createHash } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { connect } from "node:net";
import Fastify from "fastify";
import { describe, expect, test } from "vitest";
import { type ExportItem, exportLine } from "../../model/export.ts";
import { EXPORT_EXAMPLE, exportBytes, sendExport } from "../export-stream.ts";
import { formatFor } from "./export.ts";

const ITEMS = EXPORT_EXAMPLE.slice(0, -1) as ExportItem[];

async function* items(times = 1): AsyncGenerator<ExportItem> {
  for (let round = 0; round < times; round += 1) yield* ITEMS;
}

async function written(source: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return chunks;
}

describe("lines", () => {
  test("end with what they add up to", async () => {
    const chunks = await written(exportBytes(items(500)));
    expect(chunks.length).toBeGreaterThan(3);
    const text = Buffer.concat(chunks).toString();
    const lines = text.trimEnd().split("\n");
    expect(lines).toHaveLength(500 * ITEMS.length + 1);
    const end = exportLine.parse(JSON.parse(lines.pop() ?? ""));
    expect(end).toEqual({
      kind: "end",
      counts: { devices: 500, locations: 500, statuses: 500, setAside: 0, disclosures: 500 },
      sha256: createHash("sha256")
        .update(`${lines.join("\n")}\n`)
        .digest("hex"),
    });
  });

  test("have no end when their source fails in the middle", async () => {
    const broken = async function* (): AsyncGenerator<ExportItem> {
      yield* items();
      throw new Error("away");
    };
    await expect(written(exportBytes(broken()))).rejects.toThrow("away");
  });
});

test.each([
  [undefined, "ndjson"],
  ["*/*", "ndjson"],
  ["application/json", "ndjson"],
  ["text/plain", "summary"],
  ["text/html, Text/Plain; q=0.8", "summary"],
  ["text/plain, application/x-ndjson", "ndjson"],
])("for Accept: %s it is %s", (accept, format) => {
  expect(formatFor(accept)).toBe(format);
});

test("a receiver that takes nothing is cut off and frees its place; only so much was read for it", async () => {
  let read = 0;
  const endless = async function* (): AsyncGenerator<ExportItem> {
    for (;;) {
      read += ITEMS.length;
      yield* items();
    }
  };
  const app = Fastify({ logger: false });
  const freed = new EventEmitter();
  const closed = once(freed, "closed");
  app.get("/", (_request, reply) =>
    sendExport(reply, { items: endless(), close: () => freed.emit("closed") }, "ndjson", async () => "", 50),
  );
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const socket = connect(address.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await closed;
  // What the two ends of a socket hold, and not what a patient generator could have made.
  expect(read).toBeLessThan(200_000);
  socket.destroy();
  await app.close();
});
