/** Reads a sealed file as a stream; see format.ts for its contents. */
import { createDecipheriv } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { GatewayError } from "../../model/errors.ts";
import { fingerprint } from "../keys/fingerprint.ts";
import {
  CHUNK_BYTES,
  CIPHER,
  fileKey,
  LAST,
  MAGIC,
  MAX_HEADER_BYTES,
  nonce,
  place,
  READABLE_VERSIONS,
  type SealedHeader,
  sealedHeader,
  TAG_BYTES,
} from "./format.ts";

/** Far above the record of any subject; a limit, so that a broken file cannot fill the memory. */
const MAX_LINE_LENGTH = 512 * 1024 * 1024;

/**
 * The header, not authenticated yet: use it only to find the key. Throws ARCHIVE_INVALID: unreadable, not-an-archive,
 * wrong-version, truncated.
 */
export async function readSealedHeader(file: string): Promise<SealedHeader> {
  return (await readHeader(file)).header;
}

/**
 * The lines, each authenticated before it is returned. The file was complete only if the iteration ends by itself.
 * Throws ARCHIVE_INVALID: foreign-key, altered, truncated, and what `readSealedHeader` throws.
 */
export async function* readSealedLines(file: string, key: Buffer): AsyncGenerator<string> {
  const { header, bytes } = await readHeader(file);
  if (header.keyId !== fingerprint(key)) throw new GatewayError("ARCHIVE_INVALID", "foreign-key");
  const gunzip = createGunzip();
  const fed = pipeline(Readable.from(opened(file, key, header, bytes)), gunzip);
  fed.catch(() => undefined);
  try {
    yield* linesOf(gunzip);
    await fed;
  } catch (error) {
    throw error instanceof GatewayError ? error : new GatewayError("ARCHIVE_INVALID", "altered");
  } finally {
    gunzip.destroy();
  }
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE_LENGTH) throw new GatewayError("ARCHIVE_INVALID", "altered");
    yield* lines;
  }
  if (rest !== "") throw new GatewayError("ARCHIVE_INVALID", "truncated");
}

async function* opened(file: string, key: Buffer, header: SealedHeader, headerBytes: Buffer): AsyncGenerator<Buffer> {
  const bytes = new Pieces(createReadStream(file, { start: MAGIC.length + 4 + headerBytes.length }));
  const subkey = fileKey(key, header);
  for (let sequence = 0, last = false; !last; sequence += 1) {
    const frame = (await bytes.take(4)).readUInt32BE();
    last = frame >= LAST;
    const length = last ? frame - LAST : frame;
    if (length > CHUNK_BYTES) throw new GatewayError("ARCHIVE_INVALID", "altered");
    const text = await bytes.take(length + TAG_BYTES);
    const decipher = createDecipheriv(CIPHER, subkey, nonce(sequence), { authTagLength: TAG_BYTES });
    decipher.setAAD(place(headerBytes, sequence, last));
    decipher.setAuthTag(text.subarray(length));
    try {
      const plain = Buffer.concat([decipher.update(text.subarray(0, length)), decipher.final()]);
      if (plain.length > 0) yield plain;
    } catch {
      throw new GatewayError("ARCHIVE_INVALID", "altered");
    }
  }
  if (!(await bytes.ended())) throw new GatewayError("ARCHIVE_INVALID", "altered");
}

async function readHeader(file: string): Promise<{ header: SealedHeader; bytes: Buffer }> {
  const handle = await open(file, "r").catch(() => {
    throw new GatewayError("ARCHIVE_INVALID", "unreadable");
  });
  try {
    const start = Buffer.alloc(MAGIC.length + 4 + MAX_HEADER_BYTES);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    if (bytesRead < MAGIC.length + 4) throw new GatewayError("ARCHIVE_INVALID", "truncated");
    if (!start.subarray(0, MAGIC.length).equals(MAGIC)) throw new GatewayError("ARCHIVE_INVALID", "not-an-archive");
    const length = start.readUInt32BE(MAGIC.length);
    if (length > MAX_HEADER_BYTES) throw new GatewayError("ARCHIVE_INVALID", "altered");
    if (bytesRead < MAGIC.length + 4 + length) throw new GatewayError("ARCHIVE_INVALID", "truncated");
    const bytes = Buffer.from(start.subarray(MAGIC.length + 4, MAGIC.length + 4 + length));
    return { header: parseHeader(bytes), bytes };
  } finally {
    await handle.close();
  }
}

function parseHeader(bytes: Buffer): SealedHeader {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new GatewayError("ARCHIVE_INVALID", "altered");
  }
  const version = (json as { version?: unknown } | null)?.version;
  if (typeof version === "number" && !READABLE_VERSIONS.includes(version)) {
    throw new GatewayError("ARCHIVE_INVALID", "wrong-version");
  }
  const header = sealedHeader.safeParse(json);
  if (!header.success) throw new GatewayError("ARCHIVE_INVALID", "altered");
  return header.data;
}

/** Reads exact lengths from a stream of chunks of any length. */
class Pieces {
  readonly #source: AsyncIterator<Buffer>;
  #held = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#source = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async take(length: number): Promise<Buffer> {
    while (this.#held.length < length) {
      const { value, done } = await this.#source.next();
      if (done === true) throw new GatewayError("ARCHIVE_INVALID", "truncated");
      this.#held = Buffer.concat([this.#held, value]);
    }
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return taken;
  }

  async ended(): Promise<boolean> {
    return this.#held.length === 0 && (await this.#source.next()).done === true;
  }
}
