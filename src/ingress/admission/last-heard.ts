/**
 * When each device was heard last, as the person has it to whom it is bound: for that person alone, and in the memory of this
 * gateway alone, so that it is no record of when someone is at home.
 */
import type { LRUCache } from "lru-cache";
import type { DeviceRef } from "../../model/ids.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";

export interface Heard {
  /** Unix ms of its last message or login; 0: none so far. */
  at: number;
}

export class LastHeard {
  readonly #devices: LRUCache<string, Heard>;

  constructor(remembered: number) {
    this.#devices = boundedCache(remembered);
  }

  /** To be kept up to date by the session that hears it. */
  of({ deviceKey, subjectTag }: DeviceRef): Heard {
    const name = `${deviceKey} ${subjectTag}`;
    const known = this.#devices.get(name);
    if (known !== undefined) return known;
    const heard = { at: 0 };
    this.#devices.set(name, heard);
    return heard;
  }

  /** Unix ms; `undefined` when it was not heard as this person's since the gateway began, or too many others were. */
  at({ deviceKey, subjectTag }: DeviceRef): number | undefined {
    return this.#devices.peek(`${deviceKey} ${subjectTag}`)?.at || undefined;
  }
}
