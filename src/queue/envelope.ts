/**
 * Seals and opens batches. The queue is the only place where a raw message is stored, and it is sealed there:
 * AES-256-GCM, a random 96-bit nonce per batch (NIST SP 800-38D), the key id in plain text and the key never in Redis.
 * Destroying a key makes everything sealed under it unreadable, including the append-only file.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { GatewayError } from "../model/errors.ts";

export interface Sealed {
  /** Id of the key. */
  readonly k: string;
  /** Base64 of nonce, ciphertext and tag. */
  readonly s: string;
}

export interface QueueKeys {
  /** Id of the key that seals. */
  readonly active: string;
  /** Every key that still opens. */
  readonly all: ReadonlyMap<string, Buffer>;
  /** Called when a key is missing: it may have been added since. */
  lookAgain?(): void;
}

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The keys are read again for every seal, so that a rotation takes effect between two batches. */
export class Envelope {
  readonly #keys: QueueKeys;

  constructor(keys: QueueKeys) {
    this.#keys = keys;
  }

  /** `purpose` is bound into the seal: a dead letter cannot pass for a batch. */
  seal(text: string, purpose: string): Sealed {
    const id = this.#keys.active;
    const key = this.#keys.all.get(id);
    if (key === undefined) throw new GatewayError("KEY_INVALID", "active queue key");
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, key, nonce);
    cipher.setAAD(associated(id, purpose));
    const sealed = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return { k: id, s: sealed.toString("base64") };
  }

  /** Fails with ENVELOPE_UNREADABLE when the key is missing or a byte was changed. */
  open(sealed: Sealed, purpose: string): string {
    const key = this.#key(sealed.k);
    if (key === undefined) throw new GatewayError("ENVELOPE_UNREADABLE", "unknown key");
    const bytes = Buffer.from(sealed.s, "base64");
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new GatewayError("ENVELOPE_UNREADABLE", "too short");
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(associated(sealed.k, purpose));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      // As one buffer: decoding in pieces costs more than the decryption itself.
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      decipher.final();
      return text.toString("utf8");
    } catch (cause) {
      throw new GatewayError("ENVELOPE_UNREADABLE", "altered", { cause });
    }
  }

  #key(id: string): Buffer | undefined {
    if (!this.#keys.all.has(id)) this.#keys.lookAgain?.();
    return this.#keys.all.get(id);
  }
}

function associated(keyId: string, purpose: string): Buffer {
  return Buffer.from(`consentry ${purpose} v1 ${keyId}`);
}
