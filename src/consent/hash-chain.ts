/**
 * The hash chain that makes a ledger tamper-evident. Every event contains the hash of the event before it; the first
 * contains a hash of its subject. So no event can be changed, dropped, reordered or moved to another subject without
 * detection.
 */
import { createHash } from "node:crypto";
import type { SubjectTag } from "../model/ids.ts";

/** JSON with sorted keys and without undefined members: equal values give equal text. */
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

/** Predecessor hash of the first event of a new chain. It covers everything before that chain, verifiable or not. */
export function remainsHash(tag: SubjectTag, texts: readonly string[]): string {
  return hashText(`consentry-ledger-remains\0${tag}\0${texts.join("\n")}`);
}

/** Predecessor hash of a subject's first event. */
export function genesis(tag: SubjectTag): string {
  return hashText(`consentry-ledger\0${tag}`);
}
