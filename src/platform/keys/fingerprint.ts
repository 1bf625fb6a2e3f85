/** How a key is named where people and programs compare keys without seeing them. */
import { createHash } from "node:crypto";

/** 16 hex digits of a SHA-256: enough to distinguish keys, too little to be a key, and one-way. */
export function fingerprint(key: Buffer): string {
  return createHash("sha256").update("consentry key fingerprint\0").update(key).digest("hex").slice(0, 16);
}
