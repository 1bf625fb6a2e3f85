/**
 * What the ledger knows about the data that an erasure has to find: whose devices, for which purposes,
 * since when. Pure. Rather too much than too little: a device that moved on long ago left rows behind.
 */
import { PURPOSES } from "../model/consent.ts";
import { type ConsentEvent, isConsent } from "../model/consent-record.ts";
import type { ErasureFacts } from "../model/erasure.ts";
import type { DeviceKey } from "../model/ids.ts";

/** Nothing is kept longer, whatever is configured. */
const LONGEST_KEPT_MS = 3_650 * 86_400_000;

export function erasureFacts(events: readonly ConsentEvent[]): ErasureFacts {
  const devices = new Set<DeviceKey>();
  for (const event of events) if (event.type === "bound") devices.add(event.device);
  // What was stored before the last request was stored under a key that request has taken along.
  const last = events.findLastIndex((event) => event.type === "erasure-requested");
  const [first] = events;
  if (last < 0 && first?.type === "withdrawn" && first.anew) return unprovable([...devices], first.at);
  const given = events.slice(last + 1).filter(isConsent);
  const asked = new Set(given.flatMap(({ purposes }) => purposes.map(({ id }) => id)));
  return {
    devices: [...devices],
    purposes: PURPOSES.filter((purpose) => asked.has(purpose)),
    // The clock of another gateway may have been behind the one that wrote the event before.
    since: given.length === 0 ? undefined : Math.min(...given.map(({ at }) => at)),
    policyVersion: given.at(-1)?.policyVersion,
  };
}

/** Where nothing tells what was consented to when. */
export function widestFacts(events: readonly ConsentEvent[], at: number): ErasureFacts {
  const devices = new Set(events.flatMap((event) => (event.type === "bound" ? [event.device] : [])));
  return unprovable([...devices], at);
}

/** What was consented to before a new chain began, nobody can prove: anything, for as long as it could be kept. */
function unprovable(devices: readonly DeviceKey[], at: number): ErasureFacts {
  return { devices, purposes: [...PURPOSES], since: at - LONGEST_KEPT_MS, unverified: true };
}
