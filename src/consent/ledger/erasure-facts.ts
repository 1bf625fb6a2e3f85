/**
 * What the ledger knows about the data that an erasure has to find: whose devices, for which purposes,
 * since when. Pure. Rather too much than too little: a device that moved on long ago left rows behind.
 */
import { PURPOSES } from "../../model/consent.ts";
import { type ConsentEvent, isConsent } from "../../model/consent-record.ts";
import { LONGEST_KEPT_MS } from "../../model/durations.ts";
import type { ErasureFacts } from "../../model/erasure.ts";
import type { DeviceKey } from "../../model/ids.ts";

export function erasureFacts(events: readonly ConsentEvent[]): ErasureFacts {
  const devices = new Set<DeviceKey>();
  for (const event of events) if (event.type === "bound") devices.add(event.device);
  // What was stored before the last request was stored under a key that request has taken along.
  const last = events.findLastIndex((event) => event.type === "erasure-requested");
  const [first] = events;
  if (last < 0 && first?.type === "withdrawn" && first.anew) return unprovable([...devices], first.at);
  const since = events.slice(last + 1);
  const given = since.filter(isConsent);
  const asked = new Set(given.flatMap(({ purposes }) => purposes.map(({ id }) => id)));
  return {
    devices: [...devices],
    purposes: PURPOSES.filter((purpose) => asked.has(purpose)),
    // The clock of another gateway may have been behind the one that wrote the event before, or the first one ahead.
    since: given.length === 0 ? undefined : Math.min(...since.slice(since.findIndex(isConsent)).map(({ at }) => at)),
    policyVersion: given.at(-1)?.policyVersion,
    ...(since.some(tellsOfLostKey) && { keyLost: true as const }),
  };
}

/** Where nothing tells what was consented to when. */
export function widestFacts(events: readonly ConsentEvent[], at: number): ErasureFacts {
  const devices = new Set(events.flatMap((event) => (event.type === "bound" ? [event.device] : [])));
  return unprovable([...devices], at);
}

/** Said by a restore that had no key for somebody who had consented: what was stored under that key nobody finds any more. */
export const WITHOUT_KEY = "restore-without-key";

function tellsOfLostKey(event: ConsentEvent): boolean {
  return event.type === "withdrawn" && event.by === "controller" && event.method === WITHOUT_KEY;
}

/** What was consented to before a new chain began, nobody can prove: anything, for as long as it could be kept. */
function unprovable(devices: readonly DeviceKey[], at: number): ErasureFacts {
  return { devices, purposes: [...PURPOSES], since: at - LONGEST_KEPT_MS, unverified: true };
}
