/**
 * The only shapes that may leave the pipeline, one for each purpose. There is no field here that
 * could hold a device id, an address or a coordinate, and a purpose's shape has no field that
 * another purpose owns.
 */
import type { CellId, Pseudonym } from "./ids.ts";
import type { NetworkSaid } from "./network.ts";

export type StatusValue = number | boolean | string;
export type StatusFields = Readonly<Record<string, StatusValue>>;

/** For `device_status`. */
export interface AnalyticsRecord {
  readonly device: Pseudonym;
  readonly model?: string;
  readonly status?: StatusFields;
  /** Unix nanoseconds in decimal: the time of the message in ms, then six digits that only tell it from others. */
  readonly timestampNs: string;
}

/** Where a device said it is, for the record of its place: what is stored of that, and when, is for the place writer to say. */
export interface PlaceSeen {
  readonly cell: CellId;
  /** Unix ms. */
  readonly at: number;
}

/** For `device_location`, under a name that stands nowhere else: current place only, one row per device and epoch, overwritten. */
export interface PlaceRow {
  readonly device: Pseudonym;
  readonly cell: CellId;
  readonly resolution: number;
  /** Unix ms; the time of the one row this device has in this epoch. */
  readonly epochStart: number;
}

/** What one device outdoors measured, in its cell. It goes into a median, and nowhere as it is. */
export interface WeatherReading {
  readonly cell: CellId;
  readonly center: { readonly lat: number; readonly lon: number };
  readonly status: Readonly<Record<string, number>>;
}

/** The weather of a cell: medians over a crowd, and no device at all. */
export interface WeatherRecord {
  readonly cell: CellId;
  readonly center: { readonly lat: number; readonly lon: number };
  /** Unix ms, start of the step. */
  readonly at: number;
  readonly status: Readonly<Record<string, number>>;
  readonly current?: true;
}

export interface SceneRecord {
  readonly device: Pseudonym;
  readonly model?: string;
  readonly status: StatusFields;
  readonly at: number;
  /** The same for all devices of one person, where the policy consented to says so. */
  readonly home?: Pseudonym;
  /** How many commands led to it; of a device that was commanded a moment ago. */
  readonly cause?: number;
  /** It was said before: for a service that asked for what is current. */
  readonly current?: true;
}

/** What network services hear of a device, at a step and never because of a message. */
export interface NetworkRecord {
  readonly device: Pseudonym;
  readonly model?: string;
  readonly ipPrefix?: string;
  /** Unix ms, begin of the step. */
  readonly at: number;
  readonly current?: true;
}

/** One message after the pipeline: for each consented purpose what that purpose may have. */
export interface Deidentified {
  readonly analytics?: AnalyticsRecord;
  /** Only beside `analytics`, and only when no newer place is known. */
  readonly place?: PlaceSeen;
  readonly weather?: WeatherReading;
  readonly scene?: SceneRecord;
  /** To be noted; what services hear of it, and when, is for the teller to say. */
  readonly network?: NetworkSaid;
}
