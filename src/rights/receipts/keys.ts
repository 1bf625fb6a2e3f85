/**
 * The public keys that receipts were ever signed with: a new `receipt.key` leaves the receipts of before to be
 * verified. They lie in Redis under a MAC each, so that whoever can write there cannot add one of their own.
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Redis } from "ioredis";
import type { ReceiptKey } from "../../model/erasure.ts";
import { orConsentUnreachable } from "../../platform/redis.ts";
import type { RedisKeys } from "../../platform/redis-keys.ts";
import { publicKeyFrom } from "./signer.ts";

/** Derived from the lookup key, which never changes. */
export function receiptKeysMac(lookupKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", lookupKey, Buffer.alloc(0), "consentry receipt keys 1", 32));
}

export class ReceiptKeys {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #macKey: Buffer;
  readonly #present: ReceiptKey;

  constructor(redis: Redis, keys: RedisKeys, macKey: Buffer, present: ReceiptKey) {
    this.#redis = redis;
    this.#keys = keys;
    this.#macKey = macKey;
    this.#present = present;
  }

  /** Before anything is signed with the present one. Throws CONSENT_UNREACHABLE. */
  async start(): Promise<void> {
    const { x } = this.#present.jwk;
    const mac = this.#mac(x).toString("base64url");
    await orConsentUnreachable(() => this.#redis.hset(this.#keys.receiptKeys, x, mac));
  }

  /** The present one first; one that no gateway of these keys put there is left out. Throws CONSENT_UNREACHABLE. */
  async all(): Promise<[ReceiptKey, ...ReceiptKey[]]> {
    const known = await orConsentUnreachable(() => this.#redis.hgetall(this.#keys.receiptKeys));
    const former = Object.entries(known).filter(([x, mac]) => x !== this.#present.jwk.x && this.#isOurs(x, mac));
    return [this.#present, ...former.map(([x]) => publicKeyFrom(x))];
  }

  #isOurs(x: string, mac: string): boolean {
    const [expected, found] = [this.#mac(x), Buffer.from(mac, "base64url")];
    return expected.length === found.length && timingSafeEqual(expected, found);
  }

  #mac(x: string): Buffer {
    return createHmac("sha256", this.#macKey).update(x).digest();
  }
}
