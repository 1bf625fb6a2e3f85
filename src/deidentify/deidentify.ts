/**
 * De-identification: a raw message and what its subject granted go in, and for each purpose exactly
 * what that purpose may have comes out. No I/O, and no field of the result can hold an id, an
 * address or a coordinate.
 *
 *   RawMessage ─┬─ analytics: pseudonym of a few hours, family, status in classes
 *               ├─ place:     cell, for a record of its own (analytics)
 *               ├─ weather:   cell and measurements of a device outdoors, for the median of a crowd
 *               ├─ scene:     another pseudonym, family, status; of a device outdoors without the weather
 *               └─ network:   family, address prefix, for a record of its own
 */
import { type Grants, IP, LOCATION, MODEL, STATUS, usable } from "../model/consent.ts";
import type { AnalyticsRecord, Deidentified, SceneRecord, WeatherReading } from "../model/deidentified.ts";
import type { CellId, Pseudonym } from "../model/ids.ts";
import type { NetworkSaid } from "../model/network.ts";
import type { Property } from "../model/property.ts";
import type { PseudonymPurpose } from "../model/purposes.ts";
import type { RawMessage } from "../model/raw.ts";
import type { Writable } from "../model/writable.ts";
import { halfSipHash, type WordKey } from "./half-sip-hash.ts";
import { type IpOptions, ipPrefix } from "./ip-address.ts";
import type { Keyring } from "./keyring.ts";
import { type DensityRow, isPlace, type Located, type LocationOptions, Locations } from "./location.ts";
import { ModelFamilies, type ModelRule, type ModelSource } from "./model.ts";
import { StatusFilter } from "./status.ts";

export interface DeidentifierOptions {
  /** How long a pseudonym lives, for each purpose that has one. Milliseconds. */
  readonly epochMs: Readonly<Record<PseudonymPurpose, number>>;
  readonly location: LocationOptions;
  readonly models: readonly ModelRule[];
  /** Asked only for a model that none of them names. */
  readonly dialects?: ModelSource;
  readonly ip: IpOptions;
  /** Times told are rounded down to a multiple of this, so that no two outputs can be joined on them. Milliseconds. */
  readonly atStepMs: Readonly<Record<"analytics" | "scene", number>>;
  /** Scenes are told also what a device in the open measures of the weather, which says where it is. */
  readonly weatherInScenes: boolean;
  /** What `status` may say, and how exactly each purpose is told. */
  readonly properties: readonly Property[];
}

export class Deidentifier {
  readonly #options: DeidentifierOptions;
  readonly #keyring: Keyring;
  readonly #locations: Locations;
  readonly #models: ModelFamilies;
  #status: StatusFilter;

  constructor(options: DeidentifierOptions, keyring: Keyring) {
    this.#options = options;
    this.#keyring = keyring;
    this.#locations = new Locations(options.location);
    this.#models = new ModelFamilies(options.models, options.dialects);
    this.#status = new StatusFilter(options.properties);
  }

  /** The operator's own table, from the next message on. Whether it is another one. */
  useDensities(rows: readonly DensityRow[]): boolean {
    return this.#locations.useDensities(rows);
  }

  /** From the next message on: what `status` may say, and how exactly each purpose is told. */
  useProperties(properties: readonly Property[]): void {
    this.#status = new StatusFilter(properties);
  }

  /** The rules that come with dialects are others. */
  dialectsChanged(): void {
    this.#models.forget();
  }

  /**
   * Throws SUBJECT_KEY_UNREADABLE when the subject's key does not open. Safe to repeat for the same message.
   * A place that was overtaken by a newer one does not come out, and neither does a status of which nothing is known (any
   * more). An analytics record possibly has nothing to write: it counts as stored, since all that may be kept of it is.
   * `homes`: a scene service may be told which devices are of one home.
   */
  deidentify(message: RawMessage, grants: Grants, wrappedSubjectKey: string, homes = false): Deidentified {
    const { carried } = message;
    const forAnalytics = usable(grants, "analytics", carried);
    const forWeather = usable(grants, "weather", carried);
    const forScene = usable(grants, "scene", carried);
    const forNetwork = usable(grants, "network", carried);

    const result: Writable<Deidentified> = {};
    if (forAnalytics !== 0) result.analytics = this.#analytics(message, forAnalytics, wrappedSubjectKey);
    if (((forAnalytics | forWeather) & LOCATION) !== 0) {
      const located = this.#locate(message, wrappedSubjectKey);
      if (located?.newest === true && (forAnalytics & LOCATION) !== 0) {
        result.place = { cell: located.place.cell, at: message.at };
      }
      if (located !== undefined && (forWeather & LOCATION) !== 0) {
        const weather = this.#weather(message, forWeather, located);
        if (weather !== undefined) result.weather = weather;
      }
    }
    if (forScene !== 0) {
      const scene = this.#scene(message, forScene, wrappedSubjectKey, homes);
      if (scene !== undefined) result.scene = scene;
    }
    if (forNetwork !== 0) {
      const network = this.#network(message, forNetwork, wrappedSubjectKey);
      if (network !== undefined) result.network = network;
    }
    return result;
  }

  /** The cell of a point as weather services would be told it; nothing is remembered. `undefined` for what is no place. */
  cellOf(lat: number, lon: number): CellId | undefined {
    return isPlace(lat, lon) ? this.#locations.placeOf(lat, lon).cell : undefined;
  }

  /** Drops what is remembered under these pseudonyms of places. */
  forget(devices: Iterable<Pseudonym>): void {
    this.#locations.forget(devices);
  }

  #locate(message: RawMessage, wrappedSubjectKey: string): Located | undefined {
    const location = message.telemetry.location;
    if (location === undefined) return undefined;
    const device = this.#pseudonym(message, "place", wrappedSubjectKey);
    return this.#locations.locate(device, location.lat, location.lon, message.at);
  }

  #analytics(message: RawMessage, mask: number, wrappedSubjectKey: string): AnalyticsRecord {
    const epoch = Math.floor(message.at / this.#options.epochMs.analytics);
    const named = this.#keyring.named(wrappedSubjectKey, message.device.deviceKey, "analytics", epoch);
    const timestampNs = this.#rowTime(message, named.rowKey);
    const record: Writable<AnalyticsRecord> = { device: named.pseudonym, timestampNs };
    const { model, status } = message.telemetry;
    if ((mask & MODEL) !== 0 && model !== undefined) record.model = this.#models.familyOf(model);
    const kept = (mask & STATUS) !== 0 && status !== undefined ? this.#status.forAnalytics(status) : undefined;
    if (kept !== undefined) record.status = kept;
    return record;
  }

  /**
   * Unix nanoseconds as text; a double cannot hold them. Within the step a row stands where the digits of its message and the key of
   * its name move it: that tells nothing, and since all rows with equal digits are moved by the same, two that were apart stay apart.
   */
  #rowTime({ at, sub }: RawMessage, key: WordKey): string {
    const stepMs = this.#options.atStepMs.analytics;
    if (stepMs === 1) return `${at}${String(1_000_000 + sub).slice(1)}`;
    const within = at % stepMs;
    const moved = (within + halfSipHash(key, sub)) % stepMs;
    return `${at - within + moved}${String(1_000_000 + sub).slice(1)}`;
  }

  /**
   * `undefined` unless the message says that it comes from a family that stands in the open: what a device measures in a room is
   * about a home. The model decides that alone and goes no further, whatever was granted of it.
   */
  #weather(message: RawMessage, mask: number, located: Located): WeatherReading | undefined {
    const { model, status } = message.telemetry;
    if ((mask & STATUS) === 0 || status === undefined || model === undefined) return undefined;
    if (!this.#models.isOutdoor(model)) return undefined;
    const kept = this.#status.forWeather(status);
    return kept && { cell: located.place.cell, center: located.place.center, status: kept };
  }

  /** `undefined` when nothing of the status is known: without one a scene has nothing to go by. */
  #scene(message: RawMessage, mask: number, wrappedSubjectKey: string, homes: boolean): SceneRecord | undefined {
    const { model, status } = message.telemetry;
    if (status === undefined) return undefined;
    const outdoors = model !== undefined && !this.#options.weatherInScenes && this.#models.isOutdoor(model);
    const kept = outdoors ? this.#status.forSceneOutdoors(status) : this.#status.forScene(status);
    if (kept === undefined) return undefined;
    const record: Writable<SceneRecord> = {
      device: this.#pseudonym(message, "scene", wrappedSubjectKey),
      status: kept,
      at: floorTo(message.at, this.#options.atStepMs.scene),
    };
    if ((mask & MODEL) !== 0 && model !== undefined) record.model = this.#models.familyOf(model);
    if (homes) {
      const epoch = Math.floor(message.at / this.#options.epochMs.scene);
      record.home = this.#keyring.home(wrappedSubjectKey, message.device.deviceKey, epoch);
    }
    return record;
  }

  /** It is told under no name yet; but of whose key does not open, nothing may be noted either. */
  #network(message: RawMessage, mask: number, wrappedSubjectKey: string): NetworkSaid | undefined {
    const { model, ip } = message.telemetry;
    const prefix = (mask & IP) !== 0 && ip !== undefined ? ipPrefix(ip, this.#options.ip) : undefined;
    const family = (mask & MODEL) !== 0 && model !== undefined ? this.#models.familyOf(model) : undefined;
    if (prefix === undefined && family === undefined) return undefined;
    this.#pseudonym(message, "network", wrappedSubjectKey);
    return { ...(family !== undefined && { model: family }), ...(prefix !== undefined && { ipPrefix: prefix }) };
  }

  #pseudonym(message: RawMessage, purpose: PseudonymPurpose, wrappedSubjectKey: string): SceneRecord["device"] {
    const epoch = Math.floor(message.at / this.#options.epochMs[purpose]);
    return this.#keyring.pseudonym(wrappedSubjectKey, message.device.deviceKey, purpose, epoch);
  }
}

function floorTo(atMs: number, stepMs: number): number {
  return atMs - (atMs % stepMs);
}
