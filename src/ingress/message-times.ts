/**
 * Fixes the time of a message at admission: the device's own clock when it is plausible, the time
 * of receipt otherwise, and six digits below the millisecond. A retry of the same message gets the
 * same time and overwrites itself; two messages never collide.
 */
import type { DeviceKey } from "../model/ids.ts";
import type { RawTelemetry } from "../model/raw.ts";
import { boundedCache } from "../platform/bounded-cache.ts";

export interface MessageTimesOptions {
  readonly clockWindowPastMs: number;
  readonly clockWindowFutureMs: number;
}

export interface MessageTime {
  /** Unix ms. */
  readonly at: number;
  /** 0–999,999. */
  readonly sub: number;
}

const SUBDIVISIONS = 1_000_000;
const REMEMBERED_IDS = 100_000;

export class MessageTimes {
  readonly #options: MessageTimesOptions;
  readonly #clockReplaced: () => void;
  /** When a message id without a usable `ts` was first seen, so that its redelivery keeps that time. */
  readonly #firstSeen = boundedCache<string, number>(REMEMBERED_IDS);
  #sequence = Math.floor(Math.random() * SUBDIVISIONS);

  constructor(options: MessageTimesOptions, clockReplaced: () => void) {
    this.#options = options;
    this.#clockReplaced = clockReplaced;
  }

  fix(device: DeviceKey, { ts, id }: RawTelemetry, receivedAt: number): MessageTime {
    const sub = id === undefined ? this.#next() : fnv1a(id) % SUBDIVISIONS;
    if (ts !== undefined) {
      if (ts >= receivedAt - this.#options.clockWindowPastMs && ts <= receivedAt + this.#options.clockWindowFutureMs) {
        return { at: Math.trunc(ts), sub };
      }
      this.#clockReplaced();
    }
    return { at: id === undefined ? receivedAt : this.#first(`${device}/${id}`, receivedAt), sub };
  }

  #next(): number {
    this.#sequence = (this.#sequence + 1) % SUBDIVISIONS;
    return this.#sequence;
  }

  #first(key: string, receivedAt: number): number {
    const seen = this.#firstSeen.get(key);
    if (seen !== undefined) return seen;
    this.#firstSeen.set(key, receivedAt);
    return receivedAt;
  }
}

/** FNV-1a, 32 bits (draft-eastlake-fnv). Not for secrecy: only to spread ids over the sub-millisecond digits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
