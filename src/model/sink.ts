/**
 * What the gateway needs of a store, and the shapes of what it keeps. Pipeline, rights and wiring know this and no vendor;
 * every implementation passes `tests/fixtures/sink-contract.ts`.
 */
import type { AnalyticsRecord, PlaceRow, StatusValue } from "./deidentified.ts";
import type { CellId, Pseudonym } from "./ids.ts";

/** Kinds of store that there are, as metrics and traces name them. */
export const SINKS = ["influx"] as const;
export type SinkName = (typeof SINKS)[number];

/** `async`: a deletion is accepted first and carried out later. `none`: rows cannot be deleted, an erasure only unlinks them. */
export type RowDelete = "sync" | "async" | "none";
/** `verified`: a query found nothing left. `accepted`: the store does not let us look. `unsupported`: it cannot delete rows. */
export type Removal = "verified" | "accepted" | "unsupported";
/** `postponed`: too much is under a hold, or has too many fields to be spared. `unsupported`: it cannot delete rows. */
export type Aging = "deleted" | "postponed" | "unsupported";

export type DeviceMeasurement = "device_status" | "device_location";
export type Measurement = DeviceMeasurement | "cell_activity";

/** One row of a device. */
export interface StoredRow {
  readonly device: Pseudonym;
  /** Unix ns in decimal. */
  readonly timeNs: string;
  readonly model?: string;
  readonly fields: Readonly<Record<string, StatusValue>>;
}

/** How busy a cell was in one window; it names no device. */
export interface CellCount {
  readonly cell: CellId;
  readonly devices: number;
  readonly messages: number;
  /** Unix ns in decimal, within the window. */
  readonly timestampNs: string;
}

export interface RowsBefore {
  /** Unix ms. */
  readonly beforeMs: number;
  /** Whose rows stay whatever their age. */
  readonly except: readonly Pseudonym[];
}

/** Rows of a measurement that are older than a moment. */
export interface OldRows extends RowsBefore {
  readonly measurement: Measurement;
}

/**
 * Every method may throw SINK_UNAVAILABLE (ask again) or SINK_DENIED (an operator must act); what looks for rows or takes them out
 * also REDIS_UNAVAILABLE, when it can't be known by what to look. An error with `inDoubt` says that the store may still carry out
 * what was asked.
 */
export interface Sink {
  /** As logs, metrics and receipts name it. */
  readonly name: string;
  /** Where it keeps its data: ISO 3166 country, optionally with a subdivision. */
  readonly region: string;
  /** Waits until the store answers and takes writes. */
  start(signal: AbortSignal): Promise<void>;
  /** A write still in progress ends with SINK_UNAVAILABLE. */
  stop(): Promise<void>;
  /** Resolves when the store answers and knows us. */
  ask(signal: AbortSignal): Promise<void>;
  /** Stores all records but those at the indexes in `rejected`. A repeated write overwrites. */
  write(records: readonly AnalyticsRecord[], signal: AbortSignal): Promise<{ readonly rejected: readonly number[] }>;
  /** The same for places. Not in parallel with itself for one device: the store would keep whichever came last. */
  writePlaces(places: readonly PlaceRow[], signal: AbortSignal): Promise<{ readonly rejected: readonly number[] }>;
  writeActivity(counts: readonly CellCount[], signal: AbortSignal): Promise<{ readonly rejected: readonly number[] }>;
  /** Whether rows can be deleted; the store is asked when it is not known yet. */
  rowDelete(signal: AbortSignal): Promise<RowDelete>;
  /** Removes exactly the rows that writing these records would have stored. */
  remove(records: readonly AnalyticsRecord[], signal: AbortSignal): Promise<Removal>;
  /** Removes the one place that each of these devices has in this epoch, whichever it is. */
  removePlaces(places: readonly Pick<PlaceRow, "device" | "epochStart">[], signal: AbortSignal): Promise<Removal>;
  /** Removes everything stored under these pseudonyms. */
  removeDevices(devices: readonly Pseudonym[], signal: AbortSignal): Promise<Removal>;
  /** Rows under these pseudonyms, by their commonest field; `undefined` when the store does not let us look. */
  countRows(devices: readonly Pseudonym[], signal: AbortSignal): Promise<number | undefined>;
  /** Has connections of its own: reading does not wait for writing, nor the other way round. */
  readonly reading: SinkReading;
  /** The same. */
  readonly retention: SinkRetention;
}

export interface SinkReading {
  start(): void;
  stop(): void;
  /** Resolves when the store answers and lets us read. */
  check(signal: AbortSignal): Promise<void>;
  /** In pages; of each name oldest first, up to `untilNs` (Unix ns). What cannot be read is an error, never a shorter answer. */
  rows(
    measurement: DeviceMeasurement,
    names: readonly Pseudonym[],
    untilNs: string,
    signal: AbortSignal,
  ): AsyncIterable<readonly StoredRow[]>;
}

export interface SinkRetention {
  start(): void;
  stop(): void;
  /** By their commonest field; `undefined` when the store does not let us look. */
  count(rows: OldRows, signal: AbortSignal): Promise<number | undefined>;
  /** Deleting twice is harmless. */
  remove(rows: OldRows, signal: AbortSignal): Promise<Aging>;
}
