/** What a legal hold covers, of devices bound or not: what was set aside of it must stay. */
import type { Redis } from "ioredis";
import { erasureFacts } from "../consent/erasure-facts.ts";
import { LedgerHolds } from "../consent/holds.ts";
import { LedgerStore } from "../consent/ledger-store.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import type { Spared } from "../queue/dead-letters.ts";
import { HeldSubjects } from "../rights/held-subjects.ts";

/** Throws CONSENT_UNREACHABLE, LEDGER_BROKEN: then nothing may be deleted. */
export async function heldLetters(redis: Redis, keys: RedisKeys): Promise<Spared> {
  const held = await heldDevices(redis, keys);
  return ({ subjectTag, deviceKey }) =>
    subjectTag !== "" && deviceKey !== "" && (held.get(subjectTag)?.has(deviceKey) ?? false);
}

/** A device can have had several owners; a hold on what one of them left behind is none on the others. */
export async function heldDevices(
  redis: Redis,
  keys: RedisKeys,
): Promise<ReadonlyMap<SubjectTag, ReadonlySet<DeviceKey>>> {
  const ledgers = new LedgerStore(redis, keys);
  const holds = new LedgerHolds(redis, keys, { now: Date.now });
  const held = new HeldSubjects(redis, keys, (tag) => holds.standing(tag));
  const devices = new Map<SubjectTag, ReadonlySet<DeviceKey>>();
  for (const tag of await held.all()) {
    const all = erasureFacts((await ledgers.read(tag)).events).devices;
    devices.set(tag, new Set((await held.standing(tag)).flatMap((hold) => hold.devices ?? all)));
  }
  return devices;
}
