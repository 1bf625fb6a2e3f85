/**
 * Why messages of a device were refused, or parts of them left out: the last few of each device for an hour, in memory. For the
 * owner of the device, who cannot see it from the acknowledgement: over HTTP, and to the device itself or the hub that speaks for
 * it. That someone's data are under a legal hold is told to no one.
 */
import type { LRUCache } from "lru-cache";
import type { Hint, HintedDevice } from "../../model/hint.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { AFTER_CONSENT, BY_CONSENT } from "../../model/outcome.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";

export interface NotedHint extends Hint {
  /** Unix ms. */
  readonly at: number;
}

interface OfDevice {
  readonly hints: NotedHint[];
  /** Unix ms; the device itself was told last, of itself or of a device behind it. */
  toldAt: number;
}

/** What the device itself gets, or the hub. */
export type Told = Omit<Hint, "reason"> & { readonly reason: Hint["reason"] | "not-consented" };

const MOST_HINTS = 20;
const REMEMBERED_DEVICES = 10_000;
const HOUR_MS = 3_600_000;
const TOLD_EVERY_MS = 1_000;

/** A device, as the person has it to whom it is bound, or as no one's. */
export interface Listener {
  readonly deviceKey: DeviceKey;
  readonly subjectTag: SubjectTag | undefined;
}

type Tell = (listener: Listener, told: Told, child: DeviceKey | undefined) => void;

export class Refusals {
  readonly #devices: LRUCache<DeviceKey, OfDevice> = boundedCache(REMEMBERED_DEVICES);
  readonly #tell: Tell;

  /** `tell` is called at most once a second for each listener; `child`: whom it is about, where that is not the listener. */
  constructor(tell: Tell) {
    this.#tell = tell;
  }

  note({ key, ref, hub }: HintedDevice, hint: Hint): void {
    if (hint.reason === "legal-hold") return;
    const at = Date.now();
    const { hints } = this.#ofDevice(key);
    hints.push({ ...hint, at });
    if (hints.length > MOST_HINTS) hints.shift();
    // What someone else has decided is not for anyone who runs the hub.
    if (hub !== undefined && hub.subjectTag !== ref?.subjectTag && AFTER_CONSENT.has(hint.reason)) return;
    const listener = hub ?? { deviceKey: key, subjectTag: ref?.subjectTag };
    const heard = this.#ofDevice(listener.deviceKey);
    if (Math.abs(at - heard.toldAt) < TOLD_EVERY_MS) return;
    heard.toldAt = at;
    // What the person has decided is between them and the account service: the device learns that it is so, not why.
    const told: Told = BY_CONSENT.has(hint.reason) ? { reason: "not-consented" } : hint;
    this.#tell(listener, told, hub && key);
  }

  #ofDevice(device: DeviceKey): OfDevice {
    const known = this.#devices.get(device);
    if (known !== undefined) return known;
    const of = { hints: [], toldAt: 0 };
    this.#devices.set(device, of);
    return of;
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
