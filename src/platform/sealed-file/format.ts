/**
 * A file that only the holder of one key can read, and that cannot be changed, truncated, extended or spliced without
 * detection: gzip inside, AES-256-GCM in chunks outside, each bound to the header, its position and whether it is the
 * last.
 *
 *   magic (8) · u32 length · header JSON · chunks: u32 (top bit: last) length · ciphertext · tag (16)
 */
import { createHash, hkdfSync } from "node:crypto";
import { z } from "zod";
import { journalHead } from "../../model/journal-head.ts";
import { UNNUMBERED } from "../../model/schema.ts";

export const MAGIC = Buffer.from("CONSENTR");
export const SEALED_FILE_VERSION = 2;
/** The same without the number of a schema. */
const UNNUMBERED_VERSION = 1;
export const READABLE_VERSIONS: readonly number[] = [UNNUMBERED_VERSION, SEALED_FILE_VERSION];
export const CHUNK_BYTES = 64 * 1024;
export const TAG_BYTES = 16;
export const MAX_HEADER_BYTES = 4_096;
/** Marks the frame of the last chunk. */
export const LAST = 0x8000_0000;
export const CIPHER = "aes-256-gcm";

export const sealedHeader = z.strictObject({
  version: z.union([z.literal(UNNUMBERED_VERSION), z.literal(SEALED_FILE_VERSION)]),
  /** Of what is inside; see model/schema.ts. */
  schema: z.number().int().positive().default(UNNUMBERED),
  kind: z.string().regex(/^[a-z-]{1,32}$/),
  /** Unix ms. */
  createdAt: z.number().int().nonnegative(),
  /** The installation that wrote the file. */
  installation: z.string().regex(/^[0-9a-f]{16}$/),
  /** The same for both files of one backup. */
  backup: z.string().regex(/^[0-9a-f]{16}$/),
  /** Heads of the erasure journals; a restore needs journals that contain these lines. */
  journals: z.array(journalHead).max(32).default([]),
  /** Keys destroyed up to this time, by the clock of Redis, were removed from the file. Unix ms. */
  purgedAt: z.number().int().nonnegative().optional(),
  /** Fingerprint of the key. */
  keyId: z.string().regex(/^[0-9a-f]{16}$/),
  salt: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});
export type SealedHeader = z.infer<typeof sealedHeader>;

/** A key of its own for each file, so that a counter can serve as nonce. */
export function fileKey(key: Buffer, { version, kind, salt }: SealedHeader): Buffer {
  const info = `consentry archive ${version} ${kind}`;
  return Buffer.from(hkdfSync("sha256", key, Buffer.from(salt, "base64url"), info, 32));
}

/** 96 bits (NIST SP 800-38D): the number of the chunk. */
export function nonce(sequence: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(BigInt(sequence), 4);
  return bytes;
}

/** Associated data of a chunk: file, position, whether it is the last. */
export function place(headerBytes: Buffer, sequence: number, last: boolean): Buffer {
  const header = createHash("sha256").update(headerBytes).digest();
  return Buffer.concat([header, nonce(sequence), Buffer.of(last ? 1 : 0)]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
