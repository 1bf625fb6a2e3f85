/**
 * From a statement to the event that records it and all its consequences. The fence grows here: with each withdrawal,
 * each unbinding, and any other change that lets a device do less than before.
 */
import { randomUUID } from "node:crypto";
import type { Decision } from "../../model/consent.ts";
import type { LedgerChange } from "../../model/consent-change.ts";
import { type ConsentEvent, SCHEMA_VERSION } from "../../model/consent-record.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { allowed } from "../decision/decide.ts";
import { fold } from "./fold.ts";
import type { Append, SubjectLedger } from "./store.ts";
import { isHeld, materialise, type SubjectState } from "./subject-state.ts";

/** An event without the fields that only its position in the ledger determines. */
export type Draft = WithoutStamp<ConsentEvent>;
type WithoutStamp<T> = T extends ConsentEvent
  ? Omit<T, "schemaVersion" | "recordId" | "at" | "fence" | "prevHash">
  : never;

export interface PlannedChange extends Append {
  readonly change: LedgerChange;
  /**
   * Something may be used less than before, or the subject is now a minor; `change.narrowed` also counts statements
   * without effect.
   */
  readonly takesAway: boolean;
}

const ALWAYS_NARROW: ReadonlySet<Draft["type"]> = new Set(["withdrawn", "unbound", "erasure-requested"]);

export function planChange(
  before: SubjectLedger,
  draft: Draft,
  { wrappedSubjectKey, now }: { readonly wrappedSubjectKey: string; readonly now: number },
): PlannedChange {
  const stamp = { schemaVersion: SCHEMA_VERSION, recordId: randomUUID(), at: now, prevHash: before.head } as const;
  const { fence } = before.state;
  const was = materialise(before.state, wrappedSubjectKey);
  const tried = materialise(fold(before.state, { ...stamp, ...draft, fence }), wrappedSubjectKey);
  const loses = losesAnything(was, tried, now);
  const narrowed = ALWAYS_NARROW.has(draft.type) || loses;

  const event: ConsentEvent = { ...stamp, ...draft, fence: narrowed ? fence + 1 : fence };
  const state = fold(before.state, event);
  const decisions = materialise(state, wrappedSubjectKey);
  const change = { fence: state.fence, narrowed, silenced: silenced(before.state, state, decisions, now) };
  const takesAway = loses || (state.minor && !before.state.minor);
  return { event, state, decisions, wrappedSubjectKey, change, takesAway };
}

/** The devices that are allowed nothing in this state. */
export function silencedNow(state: SubjectState, nowMs: number): DeviceKey[] {
  return silenced(state, state, materialise(state, ""), nowMs);
}

type Decisions = ReadonlyMap<DeviceKey, Decision>;

function losesAnything(was: Decisions, now: Decisions, nowMs: number): boolean {
  for (const [device, decision] of was) if (allowed(decision, nowMs) & ~allowed(now.get(device), nowMs)) return true;
  return false;
}

function silenced(before: SubjectState, after: SubjectState, decisions: Decisions, nowMs: number): DeviceKey[] {
  const devices = new Set([...before.devices, ...after.devices]);
  // A held device is allowed nothing either, but its data must be kept.
  return [...devices].filter((device) => allowed(decisions.get(device), nowMs) === 0 && !isHeld(after, device));
}
