/**
 * Which queue keys may be removed: those under which nothing is sealed and no batch can be in transit. And when a new
 * key is due: once the current one has sealed for long enough and all gateways hold the same keys. Pure.
 */
import type { KeyReport } from "./live-keys.ts";

export interface QueueKeyUse {
  /** Reports of the live gateways; read them before `seals`, or a batch in transit is missed. */
  readonly reports: readonly Pick<KeyReport, "queue" | "sealing">[];
  /** Number of batches, dead letters and notices by key id. */
  readonly seals: ReadonlyMap<string, number>;
}

export interface Rotation {
  readonly rotate: boolean;
  readonly spent: readonly string[];
}

/** Number of seals under a key; `sealing` while a gateway seals under it, or did moments ago. */
export function sealsUnder(id: string, { reports, seals }: QueueKeyUse): number | "sealing" {
  // A batch may still be in transit to the queue under a key that its gateway has just left.
  if (reports.some(({ sealing }) => sealing.includes(id) || sealing.length === 0)) return "sealing";
  return seals.get(id) ?? 0;
}

export function planRotation(
  keys: { readonly active: string; readonly ids: readonly string[]; readonly activeForMs: number },
  maxAgeMs: number,
  use: QueueKeyUse,
): Rotation {
  // If another folder has a key that is missing here, the next key is being distributed already.
  const shared = use.reports.every((report) => Object.keys(report.queue).every((id) => keys.ids.includes(id)));
  const spent = keys.ids.filter((id) => id !== keys.active && sealsUnder(id, use) === 0);
  return { rotate: shared && keys.activeForMs > maxAgeMs, spent };
}
