/**
 * How an entry of the registry is stored. Its MAC covers all of it, so that a program that can write to Redis and has not the
 * key can neither make a service nor widen one; and of a token only a keyed hash is kept, good for one service alone.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { contentHash, opaqueReference, timestampMs } from "../model/consent-record.ts";
import { CATEGORIES, SERVICE_PURPOSES } from "../model/purposes.ts";
import { MAX_TOKENS, SERVICE_NAME } from "../model/service.ts";
import { SERVICE_RELATIONS } from "../model/service-terms.ts";
import { EntryTexts, sameBytes } from "../platform/shared-entries.ts";

const number = z.number().int().positive();

const entry = z.strictObject({
  name: z.string().regex(SERVICE_NAME),
  purposes: z.array(z.enum(SERVICE_PURPOSES)),
  former: z.array(z.enum(SERVICE_PURPOSES)),
  categories: z.array(z.enum(CATEGORIES)).optional(),
  region: z.string(),
  relation: z.enum(SERVICE_RELATIONS),
  recipient: z.string(),
  contractRef: opaqueReference.optional(),
  maxConnections: number,
  publishesPerSecond: number,
  tokens: z.array(z.strictObject({ number, issuedAt: timestampMs, mac: contentHash })).max(MAX_TOKENS),
  /** Of the token issued last, whether it still stands or not. */
  lastToken: z.number().int().nonnegative(),
  /** Grows with every change, also beyond a removal and a restore: it begins with the Unix ms of the change. */
  revision: number,
  /** Unix ms of its removal. What is left says whose name it was, for as long as the account of disclosures holds it. */
  ended: timestampMs.optional(),
});
export type RegistryEntry = Readonly<z.infer<typeof entry>>;

const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export class EntryText extends EntryTexts<RegistryEntry> {
  /** `tokenKey`: the key from which the stored form of tokens is derived. */
  constructor(tokenKey: Buffer) {
    super(tokenKey, "consentry services 1", (value) => entry.safeParse(value).data);
  }

  tokenMac(name: string, token: string): string {
    return this.tokenDigest(`${name}\0${token}`);
  }

  /** The number of the token; `undefined` when it is none of this service. */
  tokenNumber({ name, tokens }: Pick<RegistryEntry, "name" | "tokens">, token: string): number | undefined {
    if (!TOKEN.test(token)) return undefined;
    const given = Buffer.from(this.tokenMac(name, token), "base64url");
    return tokens.find(({ mac }) => sameBytes(Buffer.from(mac, "base64url"), given))?.number;
  }
}

/** What the erasure journal knows an entry by. */
export function entryHash(stored: string): string {
  return createHash("sha256").update(stored).digest("base64url");
}
