/**
 * The only shapes that may leave the pipeline, one for each purpose. There is no field here that
 * could hold a device id, an address or a coordinate, and a purpose's shape has no field that
 * another purpose owns.
 */
import type { CellId, Pseudonym } from "./ids.ts";

export type StatusValue = number | boolean | string;
export type StatusFields = Readonly<Record<string, StatusValue>>;

/** For `device_status` and `device_location`. */
export interface AnalyticsRecord {
  readonly device: Pseudonym;
  readonly model?: string;
  readonly status?: StatusFields;
  /** Unix nanoseconds in decimal: the time of the message in ms, then six digits that only tell it from others. */
  readonly timestampNs: string;
  readonly location?: CurrentLocation;
}

/** Current location only: one point per device and epoch, overwritten. */
export interface CurrentLocation {
  readonly cell: CellId;
  readonly resolution: number;
  /** Unix ms; the timestamp of the one point this device has in this epoch. */
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
}

export interface SceneRecord {
  readonly device: Pseudonym;
  readonly model?: string;
  readonly status: StatusFields;
  readonly at: number;
}

export interface NetworkRecord {
  readonly device: Pseudonym;
  readonly model?: string;
  readonly ipPrefix?: string;
  readonly at: number;
}

/** One message after the pipeline: for each consented purpose what that purpose may have. */
export interface Deidentified {
  readonly analytics?: AnalyticsRecord;
  readonly weather?: WeatherReading;
  readonly scene?: SceneRecord;
  readonly network?: NetworkRecord;
}
