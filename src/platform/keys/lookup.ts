/**
 * Turns personal ids into keyed hashes, the only form stored in Redis. Without the lookup key it is impossible to find
 * a device by its id or to test whether an id is known.
 */
import { createHmac } from "node:crypto";
import type { AliasMac, DeviceId, DeviceKey, SubjectId, SubjectTag } from "../../model/ids.ts";

const KEPT_BYTES = 16;

export class Lookup {
  readonly #lookupKey: Buffer;

  constructor(lookupKey: Buffer) {
    this.#lookupKey = lookupKey;
  }

  /** HMAC-SHA-256(lookup key, "device" NUL id), first 128 bits, base64url. */
  deviceKey(id: DeviceId): DeviceKey {
    return this.#hash("device", id) as DeviceKey;
  }

  /** HMAC-SHA-256(lookup key, "subject" NUL id), first 128 bits, base64url. */
  subjectTag(id: SubjectId): SubjectTag {
    return this.#hash("subject", id) as SubjectTag;
  }

  /**
   * HMAC-SHA-256(lookup key, "alias" NUL device key of the connection NUL alias), first 128 bits, base64url. Unicode may write
   * one name in several ways that look the same: all are the same name.
   */
  aliasMac(connection: DeviceKey, alias: string): AliasMac {
    return this.#hash("alias", `${connection}\0${alias.normalize("NFC")}`) as AliasMac;
  }

  /** The kind is part of the input, so that a device and a subject of the same name have different hashes. */
  #hash(kind: string, id: string): string {
    const digest = createHmac("sha256", this.#lookupKey).update(`${kind}\0${id}`).digest();
    return digest.subarray(0, KEPT_BYTES).toString("base64url");
  }
}
