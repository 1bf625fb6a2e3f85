/**
 * Seals small claims that an untrusted party carries: it can neither read nor change them. Each use has its own key,
 * derived from one key file, so that text sealed for one use opens for no other.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const VERSION = "1";
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

export class Seal {
  readonly #key: Buffer;
  readonly #context: Buffer;

  /** `use` names the use of the sealed text; changing it makes every earlier text unreadable. */
  constructor(key: Buffer, use: string) {
    this.#context = Buffer.from(`consentry ${use} ${VERSION}`);
    this.#key = Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), this.#context, KEY_BYTES));
  }

  /** Printable, valid in a URL or a cookie: `1.` and base64url. */
  seal(claims: unknown): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, iv, { authTagLength: TAG_BYTES }).setAAD(this.#context);
    const body = Buffer.concat([cipher.update(JSON.stringify(claims), "utf8"), cipher.final()]);
    return `${VERSION}.${Buffer.concat([iv, body, cipher.getAuthTag()]).toString("base64url")}`;
  }

  /** `undefined` when the text was not sealed by this key for this use, or was changed. */
  open(text: string): unknown {
    if (!text.startsWith(`${VERSION}.`)) return undefined;
    const encoded = text.slice(VERSION.length + 1);
    const bytes = Buffer.from(encoded, "base64url");
    // Several texts decode to the same bytes; only the canonical one is accepted.
    if (bytes.length <= IV_BYTES + TAG_BYTES || bytes.toString("base64url") !== encoded) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(this.#context)
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      const body = decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES));
      return JSON.parse(Buffer.concat([body, decipher.final()]).toString("utf8"));
    } catch {
      return undefined;
    }
  }
}
