/** Devices under a legal hold, bound or not: their dead letters must be kept. */
import type { Redis } from "ioredis";
import type { Leases } from "../../consent/fence/leases.ts";
import { erasureFacts } from "../../consent/ledger/erasure-facts.ts";
import { ledgerOrRemains } from "../../consent/ledger/new-chain.ts";
import type { TellDamage } from "../../model/damage.ts";
import { DELETION_OF_ALL, deletionOf } from "../../model/erasure.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Guard, Spared } from "../../model/letters.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { HeldSubjects } from "./held-subjects.ts";

/**
 * For a ledger that cannot be verified: what its remains show. Throws REDIS_UNAVAILABLE: then nothing may be deleted.
 */
export async function heldLetters(redis: Redis, keyspace: Keyspace, damaged?: TellDamage): Promise<Spared> {
  const held = await heldDevices(redis, keyspace, damaged);
  return ({ subjectTag, deviceKey }) =>
    subjectTag !== "" && deviceKey !== "" && (held.get(subjectTag)?.has(deviceKey) ?? false);
}

/** A device can have had several owners; a hold on one owner's data does not cover the data of the others. */
export async function heldDevices(
  redis: Redis,
  keyspace: Keyspace,
  damaged?: TellDamage,
): Promise<ReadonlyMap<SubjectTag, ReadonlySet<DeviceKey>>> {
  const held = new HeldSubjects(redis, keyspace, async () => []);
  const devices = new Map<SubjectTag, ReadonlySet<DeviceKey>>();
  for (const tag of await held.all()) devices.set(tag, await devicesHeldOf(redis, keyspace, tag, damaged));
  return devices;
}

async function devicesHeldOf(
  redis: Redis,
  keyspace: Keyspace,
  tag: SubjectTag,
  damaged?: TellDamage,
): Promise<ReadonlySet<DeviceKey>> {
  const { events, state } = await ledgerOrRemains(redis, keyspace, tag, () => damaged?.("ledger"));
  const all = erasureFacts(events).devices;
  return new Set([...state.holds.values()].flatMap((hold) => hold.devices ?? all));
}

/** Placing a legal hold on one of these subjects is answered only after the deletion of their data. */
export function deletionGuard(leases: Pick<Leases, "acquire">): Guard {
  return async (subjects, work) => {
    const lease = await leases.acquire();
    await lease.keep(new Set([...subjects].map(deletionOf)));
    try {
      await work();
    } finally {
      await lease.release();
    }
  };
}

/** The same where the subjects are not known beforehand. */
export async function deletingOfAll<T>(leases: Pick<Leases, "acquire">, work: () => Promise<T>): Promise<T> {
  const lease = await leases.acquire();
  await lease.keep(new Set([DELETION_OF_ALL]));
  try {
    return await work();
  } finally {
    await lease.release();
  }
}

export interface PurgeParts {
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly leases: Pick<Leases, "acquire">;
  readonly deadLetters: { purge(tag: SubjectTag, devices: readonly DeviceKey[]): Promise<unknown> };
  readonly damaged?: TellDamage;
}

/** Deletes the dead letters of these devices, unless a hold has covered them since that was decided. */
export function purgeOf({ redis, keyspace, leases, deadLetters, damaged }: PurgeParts) {
  const guard = deletionGuard(leases);
  return (tag: SubjectTag, devices: readonly DeviceKey[]): Promise<void> =>
    guard(new Set([tag]), async () => {
      const held = await devicesHeldOf(redis, keyspace, tag, damaged);
      const free = devices.filter((device) => !held.has(device));
      if (free.length > 0) await deadLetters.purge(tag, free);
    });
}
