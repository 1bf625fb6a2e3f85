/**
 * Which queue keys may go: those under which nothing is sealed and nothing can be on its way that is. And when a new one
 * takes over: once the present one has sealed for long enough, and every gateway holds the same keys. Pure.
 */
import type { KeyReport } from "./live-keys.ts";

export interface QueueKeyUse {
  /** What the live gateways report; to be read before `seals`, or a batch on its way is missed. */
  readonly reports: readonly Pick<KeyReport, "queue" | "sealing">[];
  /** Batches, dead letters and notices, by the id of their key. */
  readonly seals: ReadonlyMap<string, number>;
}

export interface Rotation {
  readonly rotate: boolean;
  readonly spent: readonly string[];
}

/** How much is sealed under a key; `sealing` while a gateway seals under it, or did moments ago. */
export function sealsUnder(id: string, { reports, seals }: QueueKeyUse): number | "sealing" {
  // A batch may still be on its way into the queue under a key its gateway has just left.
  if (reports.some(({ sealing }) => sealing.includes(id) || sealing.length === 0)) return "sealing";
  return seals.get(id) ?? 0;
}

export function planRotation(
  keys: { readonly active: string; readonly ids: readonly string[]; readonly activeForMs: number },
  maxAgeMs: number,
  use: QueueKeyUse,
): Rotation {
  // Where another folder holds a key that this one lacks, the next one is being handed round already.
  const shared = use.reports.every((report) => Object.keys(report.queue).every((id) => keys.ids.includes(id)));
  const spent = keys.ids.filter((id) => id !== keys.active && sealsUnder(id, use) === 0);
  return { rotate: shared && keys.activeForMs > maxAgeMs, spent };
}
