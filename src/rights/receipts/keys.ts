/**
 * All public keys that ever signed receipts: after a change of `receipt.key` earlier receipts can still be verified.
 * Each is stored in Redis with a MAC, so that write access to Redis is not enough to add a key.
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Redis } from "ioredis";
import type { ReceiptKey } from "../../model/erasure.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { publicKeyFrom } from "./signer.ts";

/** Derived from the lookup key, which never changes. */
export function receiptKeysMac(lookupKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", lookupKey, Buffer.alloc(0), "consentry receipt keys 1", 32));
}

export class ReceiptKeys {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #macKey: Buffer;
  readonly #present: ReceiptKey;

  constructor(redis: Redis, keyspace: Keyspace, macKey: Buffer, present: ReceiptKey) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#macKey = macKey;
    this.#present = present;
  }

  /** Call before anything is signed with the current key. Throws REDIS_UNAVAILABLE. */
  async start(): Promise<void> {
    const { x } = this.#present.jwk;
    const mac = this.#mac(x).toString("base64url");
    await orRedisUnavailable(() => this.#redis.hset(this.#keyspace.receiptKeys, x, mac));
  }

  /** The current key first; a key without a valid MAC is left out. Throws REDIS_UNAVAILABLE. */
  async all(): Promise<[ReceiptKey, ...ReceiptKey[]]> {
    const known = await orRedisUnavailable(() => this.#redis.hgetall(this.#keyspace.receiptKeys));
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
