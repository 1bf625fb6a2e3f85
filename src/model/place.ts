/** What is noted of where a device is: the record that waits, sealed, for the place writer. No coordinate, and no history. */
import type { CellId, DeviceRef } from "./ids.ts";

export interface PlaceRecord {
  /** Newest cell, as fine as the density table allows, and the time of the message that told it last. Unix ms. */
  readonly cell: CellId;
  readonly at: number;
  /** Since when it has been the newest, by the clock of the gateway that noted it. Unix ms. */
  readonly since: number;
  /** The state of the subject's ledger under which the newest message was admitted. */
  readonly revision: number;
  /** The newest cell of an earlier day (UTC) than that of `at`, and its time. */
  readonly before?: { readonly cell: CellId; readonly at: number } | undefined;
  readonly told?: ToldPlace | undefined;
}

/** What the store holds of the device in its newest epoch. */
export interface ToldPlace {
  /** The place that is told, as fine as it was noted. */
  readonly cell: CellId;
  /** What was written of it: that cell, or one around it in which there are enough people. */
  readonly as: CellId;
  /** Unix ms. */
  readonly epochStart: number;
  /** Unix ms, when it was written. */
  readonly writtenAt: number;
  /** The state of the subject's ledger under which the place was admitted. */
  readonly revision: number;
}

/** A place of a message, to be noted. */
export interface NotedPlace {
  readonly device: DeviceRef;
  readonly wrappedSubjectKey: string;
  readonly revision: number;
  readonly cell: CellId;
  /** Unix ms. */
  readonly at: number;
}

/**
 * What became of a place, for the person it is about. `none`: nothing is noted; `waits`: its step has not come;
 * `too-few`: too few people are near to store it in any area; `silent`: no longer told since the day before; `stored`.
 */
export const PLACE_STATES = ["none", "waits", "too-few", "silent", "stored"] as const;
export type PlaceState = (typeof PLACE_STATES)[number];
