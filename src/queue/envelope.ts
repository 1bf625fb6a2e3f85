/**
 * Seals and opens batches. The queue is the only place where a raw message rests, and it rests
 * sealed: AES-256-GCM, a random 96-bit nonce for each batch (NIST SP 800-38D), the key id in the clear and the key
 * never in Redis. Destroying a key makes every remnant sealed under it unreadable, AOF included. What is sealed carries the
 * number of its schema, bound into the seal: no one can pass off what an older version sealed as ours.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { GatewayError } from "../model/errors.ts";
import { SCHEMA, UNNUMBERED } from "../model/schema.ts";

export interface Sealed {
  /** Id of the key. */
  readonly k: string;
  /** Base64 of nonce, ciphertext and tag. */
  readonly s: string;
  /** Number of the schema of what is inside; none in what versions of before there was one have sealed. */
  readonly v?: number;
}

export function sealedSchema({ v }: Sealed): number {
  return v ?? UNNUMBERED;
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
    cipher.setAAD(associated(id, purpose, SCHEMA));
    const sealed = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return { k: id, s: sealed.toString("base64"), v: SCHEMA };
  }

  /** Fails with ENVELOPE_UNREADABLE when the key is gone, a byte was changed, or a newer version has sealed it. */
  open(sealed: Sealed, purpose: string): string {
    const schema = sealedSchema(sealed);
    if (!(schema <= SCHEMA)) throw new GatewayError("ENVELOPE_UNREADABLE", "another schema");
    const key = this.#key(sealed.k);
    if (key === undefined) throw new GatewayError("ENVELOPE_UNREADABLE", "unknown key");
    const bytes = Buffer.from(sealed.s, "base64");
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new GatewayError("ENVELOPE_UNREADABLE", "too short");
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(associated(sealed.k, purpose, schema));
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

function associated(keyId: string, purpose: string, schema: number): Buffer {
  return Buffer.from(`consentry ${purpose} v${schema} ${keyId}`);
}
