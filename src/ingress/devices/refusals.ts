/**
 * Why messages of a device were refused, or parts of them left out: the last few of each device for an hour, in memory. For the
 * owner of the device, who cannot see it from the acknowledgement: over HTTP, and to the device itself. That somebody's data are
 * under a legal hold is told to nobody.
 */
import type { LRUCache } from "lru-cache";
import type { Hint } from "../../model/hint.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";

export interface NotedHint extends Hint {
  /** Unix ms. */
  readonly at: number;
}

interface OfDevice {
  readonly hints: NotedHint[];
  /** Unix ms; the device itself was told last. */
  toldAt: number;
}

/** What the device itself gets. */
export type Told = Omit<Hint, "reason"> & { readonly reason: Hint["reason"] | "not-consented" };

const MOST_HINTS = 20;
const REMEMBERED_DEVICES = 10_000;
const HOUR_MS = 3_600_000;
const TOLD_EVERY_MS = 1_000;

/** What the person has decided is between them and the account service: the device learns that it is so, not why. */
const BY_CONSENT: ReadonlySet<Hint["reason"]> = new Set<Hint["reason"]>([
  "no-consent",
  "consent-withdrawn",
  "consent-expired",
  "policy-superseded",
  "guardian-missing",
  "purpose-denied",
]);

export class Refusals {
  readonly #devices: LRUCache<DeviceKey, OfDevice> = boundedCache(REMEMBERED_DEVICES);
  readonly #tell: (device: DeviceKey, told: Told) => void;

  /** `tell` is called at most once a second for each device. */
  constructor(tell: (device: DeviceKey, told: Told) => void) {
    this.#tell = tell;
  }

  note(device: DeviceKey, hint: Hint): void {
    if (hint.reason === "legal-hold") return;
    const at = Date.now();
    const known = this.#devices.get(device);
    const of = known ?? { hints: [], toldAt: 0 };
    if (known === undefined) this.#devices.set(device, of);
    of.hints.push({ ...hint, at });
    if (of.hints.length > MOST_HINTS) of.hints.shift();
    if (Math.abs(at - of.toldAt) < TOLD_EVERY_MS) return;
    of.toldAt = at;
    this.#tell(device, BY_CONSENT.has(hint.reason) ? { reason: "not-consented" } : hint);
  }

  /** Of the last hour, the oldest first. */
  of(device: DeviceKey): readonly NotedHint[] {
    const from = Date.now() - HOUR_MS;
    return (this.#devices.get(device)?.hints ?? []).filter(({ at }) => at >= from);
  }

  /** It has another owner, or none. */
  forget(device: DeviceKey): void {
    this.#devices.delete(device);
  }
}
