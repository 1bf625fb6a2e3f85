/** The devices that a legal hold covers, bound or not: what was set aside for them must stay. */
import type { Redis } from "ioredis";
import { erasureFacts } from "../consent/erasure-facts.ts";
import { LedgerHolds } from "../consent/holds.ts";
import { LedgerStore } from "../consent/ledger-store.ts";
import type { DeviceKey } from "../model/ids.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { HeldSubjects } from "../rights/held-subjects.ts";

/** Throws CONSENT_UNREACHABLE, LEDGER_BROKEN: then nothing may be deleted. */
export async function heldDevices(redis: Redis, keys: RedisKeys): Promise<ReadonlySet<DeviceKey>> {
  const ledgers = new LedgerStore(redis, keys);
  const holds = new LedgerHolds(redis, keys, { now: Date.now });
  const held = new HeldSubjects(redis, keys, (tag) => holds.standing(tag));
  const devices = new Set<DeviceKey>();
  for (const tag of await held.all()) {
    const all = erasureFacts((await ledgers.read(tag)).events).devices;
    for (const hold of await held.standing(tag)) for (const device of hold.devices ?? all) devices.add(device);
  }
  return devices;
}
