/**
 * What a link and a session say about the person they belong to: sealed, so that the person who carries them can neither
 * read nor change them, and nothing about the person has to rest here.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { deviceNumber } from "../../model/centre.ts";
import {
  contentHash,
  countryCode,
  methodCode,
  opaqueReference,
  subjectTag,
  timestampMs,
} from "../../model/consent-record.ts";
import type { Seal } from "../../platform/keys/seal.ts";

/** A cookie may have 4,096 bytes, its name and attributes included. */
const MAX_SEALED_CHARACTERS = 3_600;

/** For whom a link is, and in what role they come. */
const holder = z.strictObject({
  tag: subjectTag,
  by: z.enum(["subject", "guardian"]),
  /** The guardian on file as whom they act. */
  guardianRef: opaqueReference.optional(),
  /** How the issuer of the link verified the guardian. */
  verification: z.strictObject({ method: methodCode, evidenceRef: opaqueReference }).optional(),
  jurisdiction: z.array(countryCode),
  labels: z.array(z.tuple([deviceNumber, z.string()])),
  /** The named token with which the link was made: it ends with it, and so does the session. */
  via: z.strictObject({ name: z.string(), digest: contentHash }).optional(),
});
export type Holder = z.infer<typeof holder>;

const linkClaims = holder.extend({ nonce: z.string(), exp: timestampMs });
export type LinkClaims = z.infer<typeof linkClaims>;

/** `most`: the latest `exp` that it can ever be given. */
const sessionClaims = holder.extend({ id: z.string(), iat: timestampMs, exp: timestampMs, most: timestampMs });
export type SessionClaims = z.infer<typeof sessionClaims>;

export interface SessionTerm {
  /** From now on, each time. */
  readonly lastsMs: number;
  /** From its beginning, however often it is prolonged. */
  readonly mostMs: number;
}

export interface SealedLink {
  readonly token: string;
  readonly expiresAt: number;
}

/** `undefined`: it would not fit into a session later. */
export function sealLink(seal: Seal, who: Holder, expiresAt: number): SealedLink | undefined {
  const token = seal.seal({ ...who, nonce: randomId(), exp: expiresAt } satisfies LinkClaims);
  return token.length > MAX_SEALED_CHARACTERS ? undefined : { token, expiresAt };
}

/** The holder of a link may be another person than it was made for: make sure that it is used only once. */
export function openLink(
  seal: Seal,
  token: string,
  now: number,
): LinkClaims | { readonly refused: "link-invalid" | "link-expired" } {
  const claims = linkClaims.safeParse(seal.open(token));
  if (!claims.success) return { refused: "link-invalid" };
  return claims.data.exp > now ? claims.data : { refused: "link-expired" };
}

export function beginSession(
  { nonce: _, exp: __, ...who }: LinkClaims,
  now: number,
  { lastsMs, mostMs }: SessionTerm,
): SessionClaims {
  return { ...who, id: randomId(), iat: now, exp: now + Math.min(lastsMs, mostMs), most: now + mostMs };
}

/** The same session with a later end, as far as its bound allows; never with an earlier one. Its id stays, so leaving ends both. */
export function prolonged(session: SessionClaims, now: number, lastsMs: number): SessionClaims {
  return { ...session, exp: Math.max(session.exp, Math.min(now + lastsMs, session.most)) };
}

/** `undefined` when it was not issued here, or is over. */
export function openSession(seal: Seal, text: string, now: number): SessionClaims | undefined {
  const claims = sessionClaims.safeParse(seal.open(text));
  return claims.success && claims.data.exp > now ? claims.data : undefined;
}

function randomId(): string {
  return randomBytes(16).toString("base64url");
}
