/**
 * The row times that were given out last, so that no other message gets one of them. Within what is remembered
 * two messages of a device never share a row; a repeat of one finds its own again. A fixed table: memory does
 * not grow, and of the rows that compete for a place an older one is forgotten.
 */
import { randomInt } from "node:crypto";
import type { DeviceKey } from "../../model/ids.ts";

/** Digits below the millisecond: 0 to this, exclusive. */
export const SUBDIVISIONS = 1_000_000;

/** Owner of a row that no repeat can claim. */
export const NOBODY = 0;

const REMEMBERED_ROWS = 131_072;
/** Rows that compete for the same places: enough that hardly one is forgotten while the table has room. */
const PLACES = 8;
const GROUP_SHIFT = 32 - Math.log2(REMEMBERED_ROWS / PLACES);

export class RecentRows {
  // Side by side in arrays of numbers: an object for each row would cost more than all the rest of its timing.
  readonly #at = new Float64Array(REMEMBERED_ROWS);
  readonly #sub = new Uint32Array(REMEMBERED_ROWS);
  readonly #owner = new Float64Array(REMEMBERED_ROWS);
  readonly #device = new Array<DeviceKey | undefined>(REMEMBERED_ROWS).fill(undefined);
  /** So that no one can choose times that push out a given row. */
  readonly #salt = randomInt(2 ** 32);
  #next = 0;

  /**
   * The digits of a message of `device` at `at`: `sub`, or the next that are not taken there by another message. The
   * row is remembered under `owner`, a number that is the same for a repeat; for `No one` there are no repeats.
   */
  claim(device: DeviceKey, at: number, sub: number, owner: number): { readonly sub: number; readonly repeat: boolean } {
    let free = sub;
    for (let tries = 0; tries < SUBDIVISIONS; tries += 1) {
      const found = this.#find(device, at, free);
      if (found === -1) break;
      if (owner !== NOBODY && this.#owner[found] === owner) return { sub: free, repeat: true };
      free = (free + 1) % SUBDIVISIONS;
    }
    this.#remember(device, at, free, owner);
    return { sub: free, repeat: false };
  }

  /** Whether `claim` would find it to be a repeat. */
  holds(device: DeviceKey, at: number, sub: number, owner: number): boolean {
    for (let next = sub; ; next = (next + 1) % SUBDIVISIONS) {
      const found = this.#find(device, at, next);
      if (found === -1) return false;
      if (this.#owner[found] === owner) return true;
    }
  }

  #find(device: DeviceKey, at: number, sub: number): number {
    const first = this.#placesOf(at, sub);
    for (let place = first; place < first + PLACES; place += 1) {
      if (this.#at[place] === at && this.#sub[place] === sub && this.#device[place] === device) return place;
    }
    return -1;
  }

  #remember(device: DeviceKey, at: number, sub: number, owner: number): void {
    const first = this.#placesOf(at, sub);
    let place = first;
    while (place < first + PLACES && this.#device[place] !== undefined) place += 1;
    if (place === first + PLACES) {
      this.#next = (this.#next + 1) % PLACES;
      place = first + this.#next;
    }
    this.#at[place] = at;
    this.#sub[place] = sub;
    this.#owner[place] = owner;
    this.#device[place] = device;
  }

  #placesOf(at: number, sub: number): number {
    const mixed = Math.imul(at ^ this.#salt, 0x9e3779b1) ^ Math.imul(sub ^ (this.#salt >>> 7), 0x85ebca6b);
    return (Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35) >>> GROUP_SHIFT) * PLACES;
  }
}
