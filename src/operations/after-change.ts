/**
 * The end of every change to a ledger: live views that are no longer allowed are closed, no batch that began before the change
 * can still write, and dead letters and what is noted of devices that no consent covers any more are deleted. Only then the answer is true.
 */
import type { Silenced } from "../model/consent-change.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { ChangePorts } from "./ports.ts";

/**
 * `drained: false` means that the time limit passed: the change is recorded, but must not be reported as done.
 * Called after every change, also one that took nothing away: it may be the second try of one that did.
 */
export async function afterChange(
  ports: ChangePorts,
  concerned: SubjectTag | DeviceKey,
  silenced: readonly Silenced[],
): ReturnType<ChangePorts["leases"]["drain"]> {
  await ports.centre?.recordChanged(concerned);
  const drain = await ports.leases.drain(concerned);
  await ports.tidyRecords(concerned, silenced);
  for (const { subject, devices } of silenced) {
    if (devices.length > 0) await ports.purgeDeadLetters(subject, devices);
  }
  return drain;
}
