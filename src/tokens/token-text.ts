/**
 * How named tokens are stored: name, scopes and times under a MAC, and of each token a keyed digest alone. Of what lies in
 * Redis nothing opens a route, and nothing can be made there that would.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { contentHash, timestampMs } from "../model/consent-record.ts";
import { MAX_ISSUED, TOKEN_NAME, TOKEN_SCOPES } from "../model/named-token.ts";
import { EntrySeal } from "../platform/shared-entries.ts";

const number = z.number().int().positive();

const entry = z.strictObject({
  name: z.string().regex(TOKEN_NAME),
  scopes: z.array(z.enum(TOKEN_SCOPES)).min(1),
  issued: z
    .array(z.strictObject({ number, issuedAt: timestampMs, endsAt: timestampMs.optional(), digest: contentHash }))
    .min(1)
    .max(MAX_ISSUED),
  /** Of the token made last, whether it is still good or not. */
  last: number,
});
export type TokenEntry = Readonly<z.infer<typeof entry>>;

const TOKEN_BYTES = 32;

export class TokenText {
  readonly #seal: EntrySeal;

  /** `tokenKey`: the key from which the stored form of tokens is derived. */
  constructor(tokenKey: Buffer) {
    this.#seal = new EntrySeal(tokenKey, "consentry http tokens 1");
  }

  write(one: TokenEntry): string {
    return this.#seal.write(JSON.stringify(one));
  }

  /** `undefined`: altered, written under another key, or another's entry. */
  read(name: string, stored: string): TokenEntry | undefined {
    const text = this.#seal.read(stored);
    if (text === undefined) return undefined;
    const read = entry.safeParse(JSON.parse(text));
    return read.success && read.data.name === name ? read.data : undefined;
  }

  /** 43 base64url characters. */
  newToken(): string {
    return randomBytes(TOKEN_BYTES).toString("base64url");
  }

  /** What is stored of a token, and by what it is found. */
  digest(token: string): string {
    return this.#seal.tokenDigest(token);
  }
}
