/**
 * The chain that makes a ledger tamper-evident: every event names the hash of the one before it,
 * the first one a hash of the subject it belongs to, so that no event can be changed, dropped,
 * reordered or carried over to another subject unnoticed.
 */
import { createHash } from "node:crypto";
import type { SubjectTag } from "../model/ids.ts";

/** JSON with sorted keys and without undefined members: one text for one value. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}

/** SHA-256, base64url. */
export function hashText(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("base64url");
}

/** What the first event of a new chain names as its predecessor: everything that lies before it, verifiable or not. */
export function remainsHash(tag: SubjectTag, texts: readonly string[]): string {
  return hashText(`consentry-ledger-remains\0${tag}\0${texts.join("\n")}`);
}

/** What the first event of a subject names as its predecessor. */
export function genesis(tag: SubjectTag): string {
  return hashText(`consentry-ledger\0${tag}`);
}
