/**
 * Notes the places of a batch: when it resolves, each device's record in Redis holds the newest place there is of it, on
 * whatever gateway it was told. What is noted already is not noted again for a minute, since it says the same.
 */
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey } from "../model/ids.ts";
import type { NotedPlace, PlaceRecord } from "../model/place.ts";
import { boundedCache } from "../platform/bounded-cache.ts";
import type { PlaceStore, Replacement } from "./place-store.ts";
import { noted } from "./record.ts";

export interface NotingOptions {
  /** Devices of which it is remembered what was noted. */
  readonly maxDevices: number;
  /** By how much a device's clock may be ahead of the gateway's. */
  readonly aheadMs: number;
  readonly now: () => number;
}

interface Known {
  readonly wrappedSubjectKey: string;
  readonly revision: number;
  readonly cell: string;
  /** Unix ms, of the message. */
  readonly at: number;
}

/** How far the time of a record may lie behind the newest message from the same place. */
const AGAIN_MS = 60_000;
const MAX_ATTEMPTS = 8;

export class PlaceNoting {
  readonly #store: Pick<PlaceStore, "read" | "open" | "replace">;
  readonly #options: NotingOptions;
  readonly #known;

  constructor(store: Pick<PlaceStore, "read" | "open" | "replace">, options: NotingOptions) {
    this.#store = store;
    this.#options = options;
    this.#known = boundedCache<DeviceKey, Known>(options.maxDevices);
  }

  /** Throws REDIS_UNAVAILABLE, CONSENT_CONFLICT, SUBJECT_KEY_UNREADABLE. Safe to repeat. */
  async note(places: readonly NotedPlace[]): Promise<void> {
    let open = newestOfEach(places).filter((place) => !this.#isKnown(place));
    for (let attempt = 0; open.length > 0; attempt += 1) {
      if (attempt === MAX_ATTEMPTS) throw new GatewayError("CONSENT_CONFLICT", "noting places");
      open = await this.#attempt(open);
    }
  }

  /** Drops what is remembered of these devices; erasure calls it. */
  forget(devices: Iterable<DeviceKey>): void {
    for (const device of devices) this.#known.delete(device);
  }

  /** Those that another gateway, or the place writer, changed meanwhile. */
  async #attempt(places: readonly NotedPlace[]): Promise<NotedPlace[]> {
    const texts = await this.#store.read(places.map(({ device }) => device));
    const clock = { now: this.#options.now(), aheadMs: this.#options.aheadMs };
    const newer: NotedPlace[] = [];
    const replacements: Replacement[] = [];
    for (const [index, place] of places.entries()) {
      const { device, wrappedSubjectKey } = place;
      const was = texts[index] ?? "";
      const known = was === "" ? undefined : this.#store.open({ device, sealed: was }, wrappedSubjectKey);
      const record = noted(known, place, clock);
      if (record === known) {
        this.#remember(place, known);
        continue;
      }
      newer.push(place);
      replacements.push({ device, was, record: { wrappedSubjectKey, place: record } });
    }
    const done = await this.#store.replace(replacements);
    for (const [index, place] of newer.entries()) if (done[index] === true) this.#remember(place, place);
    return newer.filter((_, index) => done[index] !== true);
  }

  #isKnown({ device, wrappedSubjectKey, revision, cell, at }: NotedPlace): boolean {
    const known = this.#known.get(device.deviceKey);
    // Any change of the ledger may have taken the record away.
    if (known === undefined || known.wrappedSubjectKey !== wrappedSubjectKey || known.revision !== revision)
      return false;
    // A time that cannot be is replaced by the next one.
    if (known.at > this.#options.now() + this.#options.aheadMs) return false;
    return at <= known.at || (cell === known.cell && at - known.at < AGAIN_MS);
  }

  #remember({ device, wrappedSubjectKey, revision }: NotedPlace, { cell, at }: Pick<PlaceRecord, "cell" | "at">): void {
    this.#known.set(device.deviceKey, { wrappedSubjectKey, revision, cell, at });
  }
}

/** The later one in the batch wins over one of the same time. */
function newestOfEach(places: readonly NotedPlace[]): NotedPlace[] {
  const newest = new Map<DeviceKey, NotedPlace>();
  for (const place of places) {
    const rival = newest.get(place.device.deviceKey);
    if (rival === undefined || place.at >= rival.at) newest.set(place.device.deviceKey, place);
  }
  return [...newest.values()];
}
