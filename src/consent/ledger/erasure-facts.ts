/**
 * What the ledger knows about the data an erasure must find: whose devices, which purposes, since when. Pure. In doubt
 * it includes more: a device that moved away long ago left rows behind.
 */

import { type ConsentEvent, isConsent } from "../../model/consent-record.ts";
import { LONGEST_KEPT_MS } from "../../model/durations.ts";
import type { ErasureFacts } from "../../model/erasure.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { PURPOSES } from "../../model/purposes.ts";

export function erasureFacts(events: readonly ConsentEvent[]): ErasureFacts {
  const devices = new Set<DeviceKey>();
  for (const event of events) if (event.type === "bound") devices.add(event.device);
  // Data stored before the last request was stored under a key that this request retired.
  const last = events.findLastIndex((event) => event.type === "erasure-requested");
  const [first] = events;
  if (last < 0 && first?.type === "withdrawn" && first.anew) return unprovable([...devices], first.at);
  const since = events.slice(last + 1);
  const given = since.filter(isConsent);
  const asked = new Set(given.flatMap(({ purposes }) => purposes.map(({ id }) => id)));
  return {
    devices: [...devices],
    purposes: PURPOSES.filter((purpose) => asked.has(purpose)),
    // Another gateway's clock may have been behind the one that wrote the previous event, or the first clock may have
    // been ahead.
    since: given.length === 0 ? undefined : Math.min(...since.slice(since.findIndex(isConsent)).map(({ at }) => at)),
    policyVersion: given.at(-1)?.policyVersion,
    ...(since.some(tellsOfLostKey) && { keyLost: true as const }),
  };
}

/** Used when nothing shows what was consented to and when. */
export function widestFacts(events: readonly ConsentEvent[], at: number): ErasureFacts {
  const devices = new Set(events.flatMap((event) => (event.type === "bound" ? [event.device] : [])));
  return unprovable([...devices], at);
}

/**
 * Written by a restore that had no key for a subject with consent: rows stored under that key can no longer be found.
 */
export const WITHOUT_KEY = "restore-without-key";

function tellsOfLostKey(event: ConsentEvent): boolean {
  return event.type === "withdrawn" && event.by === "controller" && event.method === WITHOUT_KEY;
}

/** Consent given before a new chain cannot be proved. Assume any purpose, for as long as data could be kept. */
function unprovable(devices: readonly DeviceKey[], at: number): ErasureFacts {
  return { devices, purposes: [...PURPOSES], since: at - LONGEST_KEPT_MS, unverified: true };
}
