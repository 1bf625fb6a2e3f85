/** What is kept of a message towards a crowd: whose it is, and the coarse cell it came from. */
import type { WeatherReading, WeatherRecord } from "./deidentified.ts";
import type { CellId, DeviceRef, SubjectTag } from "./ids.ts";

export type Seen = readonly [subject: SubjectTag, cell: CellId];

/** One reading that goes into a median. */
export interface CrowdReading extends Omit<WeatherReading, "center"> {
  /** With the revision of the ledger under which it was found to be consented to. */
  readonly device: DeviceRef;
  /** Unix ms of the message. */
  readonly at: number;
}

/** A subject whose data is in something that is told, and the revision of the ledger at which consent was found. */
export interface CrowdMember {
  readonly subject: SubjectTag;
  readonly revision: number;
}

export interface CrowdTelling {
  readonly record: WeatherRecord;
  /** Each subject once. */
  readonly members: readonly CrowdMember[];
}

/** What a reading adds to a median. */
export interface SubjectReading extends Omit<WeatherReading, "center"> {
  readonly subject: SubjectTag;
  /** Unix ms; of two values of one subject the newer one counts. */
  readonly at: number;
}

/** Medians over a crowd. */
export interface CellMedians {
  readonly cell: CellId;
  readonly status: Readonly<Record<string, number>>;
  /** Whose values are in it. */
  readonly subjects: ReadonlySet<SubjectTag>;
}
