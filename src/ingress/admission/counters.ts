/**
 * Counters become differences here: a device sends a running total (of its electricity meter, say), and what is sealed and
 * kept is only how much was added since its last admitted message. A total in the store would lead from one pseudonym of a
 * device to the next.
 *
 * The base of a difference lives in memory only, with the binding and the revision of the consent under which it was
 * admitted. A difference must never be told twice, so every doubt costs an increment and not a double one:
 *
 *   no base, other consent, smaller total, too fast ── tell nothing, the total is the new base
 *   an older message after a newer one ─────────────── tell nothing, keep the base
 *   the same message again ─────────────────────────── tell what was told the first time, keep the base
 *   the batch may not have become durable ──────────── the base stays moved
 */
import type { LRUCache } from "lru-cache";
import type { StatusFields, StatusValue } from "../../model/deidentified.ts";
import type { DeviceKey, DeviceRef } from "../../model/ids.ts";
import type { Property } from "../../model/property.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";
import { multiple, wholeSteps } from "../../vocabulary/rounding.ts";

/** One message as far as its counters go. */
export interface Counted {
  readonly ref: DeviceRef;
  /** Of the subject, at the moment consent was found. */
  readonly revision: number | undefined;
  /** Unix ms of its row. */
  readonly at: number;
  readonly sub: number;
  /** Whether `at` is what the device said, and not the time of receipt in place of an absurd clock. */
  readonly byDevice: boolean;
  /** Monotonic ms of its arrival. */
  readonly startedAt: number;
  /** It is an earlier message, sent again. */
  readonly repeat: boolean;
  readonly status: StatusFields;
}

interface Base {
  readonly subjectTag: string;
  readonly revision: number | undefined;
  /** Unix ms by the device's own clock; undefined while it has told none. */
  deviceTime: number | undefined;
  startedAt: number;
  readonly totals: Map<string, Total>;
}

/** About 300 bytes each with one counter. */
const REMEMBERED_DEVICES = 100_000;
/** Messages that may come again: those that were not acknowledged. */
const REMEMBERED_TELLINGS = 20_000;
const HOUR_MS = 3_600_000;

export class Counters {
  readonly #property: (name: string) => Property | undefined;
  readonly #bases: LRUCache<DeviceKey, Base> = boundedCache(REMEMBERED_DEVICES);
  /** By device and time of row, what the counters of a message became. */
  readonly #told: LRUCache<string, StatusFields> = boundedCache(REMEMBERED_TELLINGS);

  constructor(property: (name: string) => Property | undefined) {
    this.#property = property;
  }

  /** The status with differences in place of totals, those that are nothing left out; `undefined` when nothing is left. */
  differences(message: Counted): StatusFields | undefined {
    const told = this.#tell(message);
    const status: Record<string, StatusValue> = {};
    let left = false;
    for (const name in message.status) {
      const value = this.#property(name)?.kind === "counter" ? told[name] : message.status[name];
      if (value === undefined) continue;
      status[name] = value;
      left = true;
    }
    return left ? status : undefined;
  }

  /** The batch of this message may be lost or not: should it come again, it tells the same. */
  doubted(ref: DeviceRef, at: number, sub: number, told: StatusFields): void {
    this.#told.set(rowOf(ref, at, sub), told);
  }

  /** After this the next total of the device tells nothing. */
  forget(device: DeviceKey): void {
    this.#bases.delete(device);
  }

  #tell(message: Counted): StatusFields {
    const { ref, at, sub, byDevice, startedAt } = message;
    if (message.repeat) return this.#told.get(rowOf(ref, at, sub)) ?? {};
    const base = this.#baseOf(message);
    const { deviceTime = at } = base;
    // By the device's clock against itself only: compared with the time of receipt a clock that runs behind is always late.
    if (startedAt < base.startedAt || (byDevice && at < deviceTime)) return {};
    const told: Record<string, number> = {};
    for (const name in message.status) {
      const property = this.#property(name);
      const total = message.status[name];
      if (property?.kind !== "counter" || typeof total !== "number") continue;
      const before = base.totals.get(name);
      const now = { total, at, startedAt };
      const difference = before === undefined ? 0 : differenceOf(property, before, now);
      if (difference > 0) told[name] = difference;
      base.totals.set(name, now);
    }
    if (byDevice) base.deviceTime = at;
    base.startedAt = startedAt;
    this.#bases.set(ref.deviceKey, base);
    return told;
  }

  /** Made under another consent or another binding, a base would tell what was used in between. */
  #baseOf({ ref, revision, startedAt }: Counted): Base {
    const known = this.#bases.get(ref.deviceKey);
    if (known?.subjectTag === ref.subjectTag && known.revision === revision) return known;
    return { subjectTag: ref.subjectTag, revision, deviceTime: undefined, startedAt, totals: new Map() };
  }
}

interface Total {
  readonly total: number;
  /** Unix ms of its row. */
  readonly at: number;
  /** Monotonic ms of its arrival. */
  readonly startedAt: number;
}

/** In whole steps of both totals, so that the sum over any number of messages is exact. 0 tells nothing. */
function differenceOf(property: Property, before: Total, now: Total): number {
  if (property.step === undefined || !("step" in property.step)) return 0;
  const { step } = property.step;
  // What a device has kept while it was away comes at once, so an hour's worth may, and more by either clock.
  const elapsedMs = Math.max(HOUR_MS, now.at - before.at, now.startedAt - before.startedAt);
  const most = (property.mostPerHour * elapsedMs) / HOUR_MS;
  if (now.total < before.total || now.total - before.total > most) return 0;
  return multiple(wholeSteps(now.total, step) - wholeSteps(before.total, step), step);
}

function rowOf({ deviceKey }: DeviceRef, at: number, sub: number): string {
  return `${deviceKey} ${at} ${sub}`;
}
