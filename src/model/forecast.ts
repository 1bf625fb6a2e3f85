/**
 * A forecast of a weather service for a cell, and what delivery must know of a device that is to get it. The table of values is what
 * the schema of the gateway and the one in the AsyncAPI document are both made of.
 */
import type { CellId, DeviceRef } from "./ids.ts";

export interface HourValue {
  readonly unit: string;
  readonly min: number;
  readonly max: number;
}

/** Of each hour. Units and ranges are those of the same properties of `status`. */
export const HOUR_VALUES = {
  temperature: { unit: "°C", min: -60, max: 80 },
  humidity: { unit: "%", min: 0, max: 100 },
  pressure: { unit: "hPa", min: 300, max: 1_100 },
  windSpeed: { unit: "m/s", min: 0, max: 100 },
  precipitation: { unit: "mm", min: 0, max: 500 },
} as const satisfies Readonly<Record<string, HourValue>>;

/** Every hour has it; the others may be left out. */
export const HOUR_NEEDS = "temperature";

export const CONDITIONS = ["clear", "cloudy", "rain", "snow", "fog", "storm", "wind"] as const;

export const MOST_HOURS = 48;
export const MOST_FORECAST_BYTES = 4_096;

/** Where a device is, as long as its session lives: in memory alone, and no finer than weather services are told. */
export interface DevicePlace {
  readonly cell: CellId;
  /** Of the ledger, at the moment consent was found. */
  revision: number | undefined;
  /** Unix ms of the newest message that told it. */
  at: number;
  /** Which forecast the device got last; `undefined`: none that it still knows. */
  told: string | undefined;
  /** It may have missed what is kept: it has just told its place, or begun to listen. */
  asks: boolean;
}

/** A device that is connected to this gateway, itself or behind its hub, and whose place is known. */
export interface PlacedDevice {
  readonly ref: DeviceRef;
  /** While consent to it is withdrawn it speaks for no one, and hears for no one. */
  readonly hub: DeviceRef | undefined;
  readonly place: DevicePlace;
  /** Whether it would get a forecast now. */
  readonly listens: boolean;
  /** False when it is gone, does not listen or does not read. */
  tell(payload: Buffer): boolean;
  /** Its place is known no longer. */
  forget(): void;
}
