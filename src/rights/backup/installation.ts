/** To whom a Redis belongs: the installation of one lookup key, and whether anybody is known to it yet. */
import { hkdfSync } from "node:crypto";
import type { Redis } from "ioredis";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { orConsentUnreachable } from "../../platform/redis.ts";
import type { RedisKeys } from "../../platform/redis-keys.ts";
import { keysLike } from "../../platform/redis-values.ts";

/** Whose records these are; made from the lookup key, without which none of them means anything. */
export function installationOf(lookupKey: Buffer): string {
  const id = Buffer.from(hkdfSync("sha256", lookupKey, Buffer.alloc(0), "consentry installation 1", 8));
  return id.toString("hex");
}

/** Whether nobody is known here: neither a subject nor a device's credential. Throws CONSENT_UNREACHABLE. */
export function isEmptyInstallation(redis: Redis, keys: RedisKeys): Promise<boolean> {
  return orConsentUnreachable(async () => {
    for (const pattern of [keys.subject("*" as SubjectTag), keys.credential("*" as DeviceKey)]) {
      for await (const names of keysLike(redis, pattern)) if (names.length > 0) return false;
    }
    return true;
  });
}

/**
 * Marks a Redis that nobody is known to, or that nobody has marked yet, as ours. Under another lookup key none of its records would ever
 * be found again, and new ones would come to lie beside them. Throws KEY_INVALID, CONSENT_UNREACHABLE.
 */
export async function claimInstallation(redis: Redis, keys: RedisKeys, lookupKey: Buffer): Promise<void> {
  const mine = installationOf(lookupKey);
  const found = await orConsentUnreachable(async () => {
    await redis.set(keys.installation, mine, "NX");
    return await redis.get(keys.installation);
  });
  if (found === mine) return;
  if (!(await isEmptyInstallation(redis, keys)))
    throw new GatewayError("KEY_INVALID", "lookup.key: another one made what this Redis holds; see keys.dir");
  await orConsentUnreachable(() => redis.set(keys.installation, mine));
}

/** Throws KEY_INVALID when keys made anew would find nothing of what is kept here; CONSENT_UNREACHABLE. */
export async function refuseNewKeys(redis: Redis, keys: RedisKeys): Promise<void> {
  if (!(await isEmptyInstallation(redis, keys)))
    throw new GatewayError("KEY_INVALID", "keys.dir: no keys, and Redis holds an installation that needs its own");
}
