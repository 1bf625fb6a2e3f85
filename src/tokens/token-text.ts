/**
 * How named tokens are stored: name, scopes and times under a MAC, and of each token a keyed digest alone. Of what lies in
 * Redis nothing opens a route, and nothing can be made there that would.
 */
import { z } from "zod";
import { contentHash, timestampMs } from "../model/consent-record.ts";
import { MAX_ISSUED, TOKEN_NAME, TOKEN_SCOPES } from "../model/named-token.ts";
import { EntryTexts } from "../platform/shared-entries.ts";

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

export class TokenText extends EntryTexts<TokenEntry> {
  /** `tokenKey`: the key from which the stored form of tokens is derived. */
  constructor(tokenKey: Buffer) {
    super(tokenKey, "consentry http tokens 1", (value) => entry.safeParse(value).data);
  }

  /** What is stored of a token, and by what it is found. */
  digest(token: string): string {
    return this.tokenDigest(token);
  }
}
