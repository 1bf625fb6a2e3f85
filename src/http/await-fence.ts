/**
 * The end of every change to a ledger: whoever may no longer look on is sent away, no batch that began before
 * it can still write, and what was set aside for devices that may do nothing any more is forgotten. Only then
 * is an answer true.
 */
import type { Silenced } from "../model/consent-change.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { HttpPorts } from "./ports.ts";

/**
 * `drained: false` means that the bound passed: the change is recorded, but must not be reported as done.
 * Every change settles, also one that took nothing away: it may be the second try of one that did.
 */
export async function settle(
  ports: HttpPorts,
  concerned: SubjectTag | DeviceKey,
  silenced: readonly Silenced[],
): ReturnType<HttpPorts["leases"]["drain"]> {
  await ports.centre?.recordChanged(concerned);
  const drain = await ports.leases.drain(concerned);
  for (const { subject, devices } of silenced) {
    if (devices.length > 0) await ports.purgeDeadLetters(subject, devices);
  }
  return drain;
}
