/**
 * Batches in their producer's order, although BullMQ may deliver them in another: of two in the same reply of Redis,
 * either may come first. An announced batch has its place, and later ones wait for it.
 */
import type { JobPlace } from "./job.ts";

interface Slot<T> {
  readonly place: JobPlace;
  /** Absent until it arrives. */
  item: T | undefined;
}

export class WaitingLine<T> {
  #slots: Slot<T>[] = [];

  /** With those that are announced. */
  get size(): number {
    return this.#slots.length;
  }

  /** It will certainly arrive, or be dropped. */
  announce(place: JobPlace): void {
    if (this.#find(place) === undefined) this.#insert({ place, item: undefined });
  }

  arrive(place: JobPlace, item: T): void {
    const slot = this.#find(place);
    if (slot === undefined) this.#insert({ place, item });
    else slot.item = item;
  }

  /** It will not arrive here. */
  drop(place: JobPlace): void {
    this.#slots = this.#slots.filter((slot) => !same(slot.place, place));
  }

  /** Takes the batches that have arrived from the head, as long as `fits` returns true. */
  take(fits: (item: T) => boolean): T[] {
    const taken: T[] = [];
    for (const { item } of this.#slots) {
      if (item === undefined || !fits(item)) break;
      taken.push(item);
    }
    this.#slots.splice(0, taken.length);
    return taken;
  }

  #find(place: JobPlace): Slot<T> | undefined {
    return this.#slots.find((slot) => same(slot.place, place));
  }

  /** Before the first later one of its origin; between origins the order of arrival counts. */
  #insert(slot: Slot<T>): void {
    const later = this.#slots.findIndex(({ place }) => isLater(place, slot.place));
    this.#slots.splice(later === -1 ? this.#slots.length : later, 0, slot);
  }
}

function same(one: JobPlace, other: JobPlace): boolean {
  return one.number === other.number && one.origin === other.origin && one.part === other.part;
}

function isLater(one: JobPlace, than: JobPlace): boolean {
  if (one.origin !== than.origin) return false;
  return one.number > than.number || (one.number === than.number && one.part > than.part);
}
