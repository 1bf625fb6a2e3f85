/** The account of who was given data of a subject: whom, for what, on which day, and how often. */

import type { NetworkRecord, SceneRecord } from "./deidentified.ts";
import type { SubjectTag } from "./ids.ts";
import type { ServicePurpose } from "./purposes.ts";

/** One line of the account, as it is told. */
export interface Disclosure {
  /** Name of the configured service. */
  readonly recipient: string;
  readonly purpose: ServicePurpose;
  /** UTC, YYYY-MM-DD. */
  readonly day: string;
  /** At least so many messages: what was counted right before a crash may be missing, the line never is. */
  readonly count: number;
  /** Where the recipient was run, as configured on that day. */
  readonly region: string;
  /** Code of the contract with the recipient on that day, if there was one. */
  readonly contract?: string | undefined;
}

/** Days, both included; UTC, YYYY-MM-DD. */
export interface DayRange {
  readonly from: string;
  readonly to: string;
}

/** A configured service as the recipient of one purpose. One object each, for as long as the process lives. */
export interface Recipient {
  /** Its place among all recipients, from 0. */
  readonly index: number;
  readonly name: string;
  readonly purpose: ServicePurpose;
  readonly region: string;
  readonly contract: string | undefined;
}

/** What one line of the account is about. */
export interface DisclosureLine {
  readonly subject: SubjectTag;
  /** How long the subject's ledger was when the line was opened: an erasure takes earlier lines along. */
  readonly revision: number;
  readonly recipient: Recipient;
  /** UTC, YYYY-MM-DD. */
  readonly day: string;
}

/** What is told of one device to services of its purposes, and whose it is. */
export interface Outgoing {
  readonly subject: SubjectTag;
  /** Revision of the ledger under which it was found to be consented to. */
  readonly revision: number;
  readonly wrappedSubjectKey: string;
  /** The message's own time, which decides the epoch of its names; Unix ms. */
  readonly at: number;
  readonly result: { readonly scene?: SceneRecord | undefined; readonly network?: NetworkRecord | undefined };
}

/** The day of a moment in Unix ms: UTC, YYYY-MM-DD. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
