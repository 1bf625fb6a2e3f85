import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readSealedHeader, readSealedLines } from "./reader.ts";
import { SealedFileWriter } from "./writer.ts";

const key = randomBytes(32);
const HEADER = {
  schema: 2,
  kind: "records",
  createdAt: 1_700_000_000_000,
  installation: "a".repeat(16),
  backup: "b".repeat(16),
  journals: [],
};
/** Random, so that gzip cannot shrink it into one chunk; with multi-byte characters across chunk borders. */
const LINES = Array.from({ length: 400 }, (_, index) => `${index} ä€𝄞 ${randomBytes(400).toString("base64")}`);

let root: string;
let file: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "consentry-sealed-"));
  file = join(root, "archive");
});
afterEach(() => rmSync(root, { recursive: true }));

async function write(lines: readonly string[] = LINES, target = file): Promise<Buffer> {
  const writer = new SealedFileWriter(target, key, HEADER);
  for (const line of lines) await writer.line(line);
  await writer.finish();
  return readFileSync(target);
}

async function read(target = file, with_ = key): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of readSealedLines(target, with_)) lines.push(line);
  return lines;
}

const refused = (code: string, with_ = key) =>
  expect(read(file, with_)).rejects.toMatchObject({ message: `ARCHIVE_INVALID: ${code}` });

/** Where each chunk begins, and where the file ends. */
function frames(bytes: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 12 + bytes.readUInt32BE(8); at < bytes.length; at += 4 + (bytes.readUInt32BE(at) & 0x7fff_ffff) + 16) {
    starts.push(at);
  }
  return [...starts, bytes.length];
}

it("returns the lines, names its writer, and reveals nothing of its content", async () => {
  const bytes = await write();
  expect(await read()).toEqual(LINES);
  expect(await readSealedHeader(file)).toMatchObject(HEADER);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(root)).toEqual(["archive"]);
  expect(frames(bytes).length).toBeGreaterThan(3);
  expect(bytes.includes(LINES[0]?.slice(-40) ?? "")).toBe(false);
  expect(await write([], join(root, "empty"))).not.toHaveLength(0);
  expect(await read(join(root, "empty"))).toEqual([]);
});

it("writes a different file every time", async () => {
  const [first, second] = [await write(["same"]), await write(["same"], join(root, "second"))];
  expect(first.equals(second)).toBe(false);
});

describe("refuses", () => {
  it("every changed byte of header, frame, text and tag", async () => {
    const bytes = await write(LINES.slice(0, 20));
    const [start = 0] = frames(bytes);
    const places = [
      14,
      60,
      120,
      start - 2,
      start + 1,
      start + 3,
      start + 4,
      start + 1_000,
      bytes.length - 17,
      bytes.length - 1,
    ];
    for (const at of places) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      writeFileSync(file, changed);
      await expect(read()).rejects.toMatchObject({ code: "ARCHIVE_INVALID" });
    }
  });

  it("a file truncated anywhere, also exactly between two chunks", async () => {
    const bytes = await write();
    const starts = frames(bytes);
    for (const at of [
      5,
      11,
      40,
      starts[0] ?? 0,
      (starts[0] ?? 0) + 2,
      starts[1] ?? 0,
      starts.at(-2) ?? 0,
      bytes.length - 1,
    ]) {
      writeFileSync(file, bytes.subarray(0, at));
      await refused("truncated");
    }
    writeFileSync(file, "");
    await refused("truncated");
  });

  it("chunks exchanged, repeated, dropped, appended, or made to be the last", async () => {
    const bytes = await write();
    const starts = frames(bytes);
    const chunk = (index: number) => bytes.subarray(starts[index], starts[index + 1]);
    const head = bytes.subarray(0, starts[0]);
    const rest = bytes.subarray(starts[2]);
    const last = Buffer.from(chunk(0));
    last.writeUInt32BE(last.readUInt32BE() + 0x8000_0000);
    const spliced = [
      [head, chunk(1), chunk(0), rest],
      [head, chunk(0), chunk(0), rest],
      [head, chunk(0), rest],
      [bytes, Buffer.from("more")],
      [bytes, chunk(0)],
      [head, last],
    ];
    for (const pieces of spliced) {
      writeFileSync(file, Buffer.concat(pieces));
      await refused("altered");
    }
  });

  it("a chunk of another file under the same key", async () => {
    const other = await write(LINES, join(root, "other"));
    const bytes = await write();
    const [ours, theirs] = [frames(bytes), frames(other)];
    writeFileSync(file, Buffer.concat([bytes.subarray(0, ours[0]), other.subarray(theirs[0])]));
    await refused("altered");
  });

  it("another key, another version, another kind of file, and a missing file", async () => {
    const bytes = await write();
    await refused("foreign-key", randomBytes(32));
    writeFileSync(file, bytes.toString("latin1").replace('"version":2', '"version":7'), "latin1");
    await refused("wrong-version");
    writeFileSync(file, "PK\u0003\u0004 and then something long enough");
    await refused("not-an-archive");
    rmSync(file);
    await refused("unreadable");
  });
});

it("leaves no file when it is abandoned", async () => {
  const writer = new SealedFileWriter(file, key, HEADER);
  for (const line of LINES) await writer.line(line);
  expect(readdirSync(root)).toHaveLength(1);
  await writer.abandon();
  expect([existsSync(file), readdirSync(root)]).toEqual([false, []]);
});

it("fails when its path cannot be written", async () => {
  const writer = new SealedFileWriter(join(root, "no-such-folder", "archive"), key, HEADER);
  const writing = async () => {
    for (const line of LINES) await writer.line(line);
    await writer.finish();
  };
  await expect(writing()).rejects.toThrow();
  await writer.abandon();
});
