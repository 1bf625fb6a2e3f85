/**
 * Every name a subject's devices can have been given: one for each device, purpose and epoch since the
 * first consent. Rather a name too many, which finds nothing, than one too few, which leaves something.
 */
import { setImmediate as turn } from "node:timers/promises";
import { LONGEST_KEPT_MS } from "../../model/durations.ts";
import type { ErasureFacts } from "../../model/erasure.ts";
import type { DeviceKey, Pseudonym } from "../../model/ids.ts";

export type NamedPurpose = "analytics" | "scene" | "network";

/** How moments became epochs, by every configuration there ever was. Milliseconds. */
export interface NameTimes {
  readonly epochLengthsMs: readonly number[];
  /** How far a device's clock could differ from ours: the most that admission ever allowed. */
  readonly clockWindowPastMs: number;
  readonly clockWindowFutureMs: number;
}

/** Numbers of all epochs between two moments (Unix ms), for every length an epoch ever had. */
export function epochsBetween(sinceMs: number, untilMs: number, lengthsMs: readonly number[]): number[] {
  const epochs = new Set<number>();
  for (const lengthMs of lengthsMs) {
    const last = Math.floor(untilMs / lengthMs);
    for (let epoch = Math.floor(sinceMs / lengthMs); epoch <= last; epoch += 1) epochs.add(epoch);
  }
  return [...epochs];
}

/**
 * Whenever something can have been stored since a moment that a clock of ours noted. One that lies ahead was noted by a
 * clock that was wrong, or ours is: then it is anybody's guess, and everything is looked for that can still be kept.
 */
function epochsSince(sinceMs: number, nowMs: number, times: NameTimes): number[] {
  const { epochLengthsMs, clockWindowPastMs, clockWindowFutureMs } = times;
  const oldestMs = nowMs - LONGEST_KEPT_MS;
  const fromMs = sinceMs > nowMs ? oldestMs : Math.max(sinceMs, oldestMs);
  const epochs = epochsBetween(fromMs - clockWindowPastMs, nowMs + clockWindowFutureMs, epochLengthsMs);
  if (sinceMs <= nowMs) return epochs;
  const ahead = epochsBetween(sinceMs - clockWindowPastMs, sinceMs + LONGEST_KEPT_MS, epochLengthsMs);
  return [...new Set([...epochs, ...ahead])];
}

/** A derivation costs tens of microseconds; after this many others get their turn. */
const NAMES_PER_TURN = 500;

/** Of the keyring: the name that a device had. Throws SUBJECT_KEY_UNREADABLE. */
export interface NameKeyring {
  pseudonym(wrappedSubjectKey: string, device: DeviceKey, purpose: NamedPurpose, epoch: number): Pseudonym;
}

export interface LiveNamesInput {
  readonly facts: ErasureFacts;
  readonly wrappedSubjectKey: string;
  readonly purpose: NamedPurpose;
  readonly times: NameTimes;
  readonly nowMs: number;
  readonly keyring: NameKeyring;
}

/** Throws SUBJECT_KEY_UNREADABLE when the key does not open. */
export async function liveNames(input: LiveNamesInput): Promise<Pseudonym[]> {
  const { facts, times, nowMs, wrappedSubjectKey, purpose } = input;
  if (facts.since === undefined) return [];
  const epochs = epochsSince(facts.since, nowMs, times);
  const names: Pseudonym[] = [];
  for (const device of facts.devices) {
    for (const epoch of epochs) {
      names.push(input.keyring.pseudonym(wrappedSubjectKey, device, purpose, epoch));
      if (names.length % NAMES_PER_TURN === 0) await turn();
    }
  }
  return names;
}
