/** Writes a sealed file as a stream; see format.ts for its contents. */
import { createCipheriv, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip, type Gzip } from "node:zlib";
import { fingerprint } from "../keys/fingerprint.ts";
import {
  CHUNK_BYTES,
  CIPHER,
  fileKey,
  LAST,
  MAGIC,
  nonce,
  place,
  SEALED_FILE_VERSION,
  type SealedHeader,
  TAG_BYTES,
  u32,
} from "./format.ts";

/** Write lines to it; the file appears under its name, complete and on disk, when `finish` resolves, or never. */
export class SealedFileWriter {
  readonly #file: string;
  readonly #beside: string;
  readonly #gzip: Gzip = createGzip();
  readonly #written: Promise<void>;

  constructor(file: string, key: Buffer, header: Omit<SealedHeader, "version" | "keyId" | "salt">) {
    this.#file = file;
    this.#beside = `${file}.${randomBytes(4).toString("hex")}.part`;
    const whole: SealedHeader = {
      version: SEALED_FILE_VERSION,
      ...header,
      keyId: fingerprint(key),
      salt: randomBytes(32).toString("base64url"),
    };
    const target = createWriteStream(this.#beside, { flags: "wx", mode: 0o600 });
    this.#written = pipeline(this.#gzip, (plain) => sealed(plain as AsyncIterable<Buffer>, key, whole), target);
    // The next caller that waits reports it; until then it must not count as unhandled.
    this.#written.catch(() => undefined);
  }

  async line(text: string): Promise<void> {
    if (!this.#gzip.write(`${text}\n`)) await Promise.race([once(this.#gzip, "drain"), this.#written]);
  }

  async finish(): Promise<void> {
    this.#gzip.end();
    await this.#written;
    await sync(this.#beside);
    await rename(this.#beside, this.#file);
    await sync(dirname(this.#file));
  }

  /** Leaves no file. Safe at any time before `finish` has resolved. */
  async abandon(): Promise<void> {
    this.#gzip.destroy();
    await this.#written.catch(() => undefined);
    await rm(this.#beside, { force: true });
  }
}

async function* sealed(plain: AsyncIterable<Buffer>, key: Buffer, header: SealedHeader): AsyncGenerator<Buffer> {
  const headerBytes = Buffer.from(JSON.stringify(header));
  yield Buffer.concat([MAGIC, u32(headerBytes.length), headerBytes]);
  const subkey = fileKey(key, header);
  const seal = (bytes: Buffer, sequence: number, last: boolean): Buffer => {
    const cipher = createCipheriv(CIPHER, subkey, nonce(sequence), { authTagLength: TAG_BYTES });
    cipher.setAAD(place(headerBytes, sequence, last));
    const text = Buffer.concat([cipher.update(bytes), cipher.final()]);
    return Buffer.concat([u32((last ? LAST : 0) + text.length), text, cipher.getAuthTag()]);
  };
  let sequence = 0;
  let waiting = Buffer.alloc(0);
  for await (const piece of plain) {
    waiting = Buffer.concat([waiting, piece]);
    while (waiting.length > CHUNK_BYTES) {
      yield seal(waiting.subarray(0, CHUNK_BYTES), sequence, false);
      waiting = waiting.subarray(CHUNK_BYTES);
      sequence += 1;
    }
  }
  yield seal(waiting, sequence, true);
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
