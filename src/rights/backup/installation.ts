/** Which installation a Redis belongs to (identified by the lookup key), and whether it contains any subject yet. */
import { hkdfSync } from "node:crypto";
import type { Redis } from "ioredis";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { keysLike } from "../../platform/redis-values.ts";

/** Id of the installation; derived from the lookup key, without which none of its records can be read. */
export function installationOf(lookupKey: Buffer): string {
  const id = Buffer.from(hkdfSync("sha256", lookupKey, Buffer.alloc(0), "consentry installation 1", 8));
  return id.toString("hex");
}

/** Whether there is neither a subject nor a device credential. Throws REDIS_UNAVAILABLE. */
export function isEmptyInstallation(redis: Redis, keyspace: Keyspace): Promise<boolean> {
  return orRedisUnavailable(async () => {
    for (const pattern of [keyspace.subject("*" as SubjectTag), keyspace.credential("*" as DeviceKey)]) {
      for await (const names of keysLike(redis, pattern)) if (names.length > 0) return false;
    }
    return true;
  });
}

/** Whether an installation was ever begun here, with whatever devices. Throws REDIS_UNAVAILABLE. */
export async function holdsInstallation(redis: Redis, keyspace: Keyspace): Promise<boolean> {
  // What every first start writes, or the first act after it; not what a gateway goes on writing into a Redis that was emptied.
  const { installation, policies, auditLines, auditSeal, tombstones, deadLetters } = keyspace;
  const names = [installation, policies, auditLines, auditSeal, tombstones, deadLetters];
  for (const name of names) if ((await orRedisUnavailable(() => redis.exists(name))) === 1) return true;
  return !(await isEmptyInstallation(redis, keyspace));
}

/**
 * Marks a Redis as belonging to this installation when it is empty or not marked yet. Under another lookup key its
 * records could never be found again, and new ones would be written beside them. Throws KEY_INVALID, REDIS_UNAVAILABLE.
 */
export async function claimInstallation(redis: Redis, keyspace: Keyspace, lookupKey: Buffer): Promise<void> {
  const mine = installationOf(lookupKey);
  const found = await orRedisUnavailable(async () => {
    await redis.set(keyspace.installation, mine, "NX");
    return await redis.get(keyspace.installation);
  });
  if (found === mine) return;
  if (!(await isEmptyInstallation(redis, keyspace)))
    throw new GatewayError("KEY_INVALID", "lookup.key: this Redis was written with another lookup key; see keys.dir");
  await orRedisUnavailable(() => redis.set(keyspace.installation, mine));
}

/** Throws KEY_INVALID when newly created keys would find none of the existing records; REDIS_UNAVAILABLE. */
export async function refuseNewKeys(redis: Redis, keyspace: Keyspace): Promise<void> {
  if (!(await isEmptyInstallation(redis, keyspace)))
    throw new GatewayError("KEY_INVALID", "keys.dir: no keys, and Redis holds an installation that needs its own");
}
