/**
 * Every name the subject's devices can ever have had: one per device, purpose and epoch since the first consent. One
 * name too many finds no rows and is harmless; a missing name would leave rows behind.
 */
import { setImmediate as turn } from "node:timers/promises";
import { DAY_MS, LONGEST_KEPT_MS, WIDEST_ROW_STEP_MS } from "../../model/durations.ts";
import type { ErasureFacts } from "../../model/erasure.ts";
import type { DeviceKey, Pseudonym } from "../../model/ids.ts";
import type { PseudonymPurpose } from "../../model/purposes.ts";

/** What rows in the store stand under: a device's status, and its place. */
const OF_ROWS = ["analytics", "place"] as const satisfies readonly PseudonymPurpose[];

/** How times were mapped to epochs, for every configuration ever used. Milliseconds. */
export interface NameTimes {
  readonly epochLengthsMs: readonly number[];
  /** Largest difference between a device's clock and ours that admission ever allowed. */
  readonly clockWindowPastMs: number;
  readonly clockWindowFutureMs: number;
}

/** Numbers of all epochs between two times (Unix ms), for every epoch length ever used. */
export function epochsBetween(sinceMs: number, untilMs: number, lengthsMs: readonly number[]): number[] {
  const epochs = new Set<number>();
  for (const lengthMs of lengthsMs) {
    const last = Math.floor(untilMs / lengthMs);
    for (let epoch = Math.floor(sinceMs / lengthMs); epoch <= last; epoch += 1) epochs.add(epoch);
  }
  return [...epochs];
}

/**
 * Every epoch in which data can have been stored since a time recorded by a gateway's clock. If that time is in the
 * future, one of the clocks was wrong: then everything still within retention is looked for.
 */
function epochsSince(sinceMs: number, nowMs: number, times: NameTimes, rowsBeforeMs: number): number[] {
  const { epochLengthsMs, clockWindowPastMs, clockWindowFutureMs } = times;
  const oldestMs = nowMs - LONGEST_KEPT_MS;
  const fromMs = sinceMs > nowMs ? oldestMs : Math.max(sinceMs, oldestMs);
  const untilMs = nowMs + clockWindowFutureMs;
  // A row can stand before its name begins, by no more than a step.
  const lastMs = Math.min(untilMs, rowsBeforeMs + WIDEST_ROW_STEP_MS);
  const old = epochsBetween(fromMs - clockWindowPastMs, lastMs, epochLengthsMs);
  // Of the present always: a clock that is wrong now writes rows of any time under them.
  const present = lastMs < untilMs ? epochsBetween(nowMs - DAY_MS, untilMs, epochLengthsMs) : [];
  const epochs = present.length === 0 ? old : [...new Set([...old, ...present])];
  if (sinceMs <= nowMs) return epochs;
  const ahead = epochsBetween(sinceMs - clockWindowPastMs, sinceMs + LONGEST_KEPT_MS, epochLengthsMs);
  return [...new Set([...epochs, ...ahead])];
}

/** Only the status has names of hours; every other name lasts for whole days. */
function timesOf(purpose: PseudonymPurpose, times: NameTimes): NameTimes {
  if (purpose === "analytics") return times;
  return { ...times, epochLengthsMs: times.epochLengthsMs.filter((lengthMs) => lengthMs % DAY_MS === 0) };
}

/** One derivation takes tens of microseconds; yield to the event loop after this many. */
const NAMES_PER_TURN = 500;

/** Of the keyring: the name that a device had. Throws SUBJECT_KEY_UNREADABLE. */
export interface NameKeyring {
  pseudonym(wrappedSubjectKey: string, device: DeviceKey, purpose: PseudonymPurpose, epoch: number): Pseudonym;
}

export interface LiveNamesInput {
  readonly facts: ErasureFacts;
  readonly wrappedSubjectKey: string;
  readonly purpose: PseudonymPurpose;
  readonly times: NameTimes;
  readonly nowMs: number;
  /** Only names under which rows can stand that are older, Unix ms; absent: all. */
  readonly rowsBeforeMs?: number | undefined;
  readonly keyring: NameKeyring;
}

/** Every name under which the store can hold rows. Throws as `liveNames`. */
export async function rowNames(input: Omit<LiveNamesInput, "purpose">): Promise<Pseudonym[]> {
  const names: Pseudonym[] = [];
  for (const purpose of OF_ROWS) names.push(...(await liveNames({ ...input, purpose })));
  return names;
}

/** Throws SUBJECT_KEY_UNREADABLE when the key does not unwrap. */
export async function liveNames(input: LiveNamesInput): Promise<Pseudonym[]> {
  const { facts, times, nowMs, wrappedSubjectKey, purpose, rowsBeforeMs = Number.POSITIVE_INFINITY } = input;
  if (facts.since === undefined) return [];
  const epochs = epochsSince(facts.since, nowMs, timesOf(purpose, times), rowsBeforeMs);
  const names: Pseudonym[] = [];
  for (const device of facts.devices) {
    for (const epoch of epochs) {
      names.push(input.keyring.pseudonym(wrappedSubjectKey, device, purpose, epoch));
      if (names.length % NAMES_PER_TURN === 0) await turn();
    }
  }
  return names;
}
