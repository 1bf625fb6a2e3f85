/** Reads the ledger, decides what to append, and appends it; starts over when another writer was first. */
import { NO_SUBJECT_KEY } from "../../model/consent.ts";
import type { LedgerChange } from "../../model/consent-change.ts";
import type { ConsentEvent, LegalHold, PartyStatement } from "../../model/consent-record.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { roomFor } from "./bound.ts";
import { holdOf } from "./fold.ts";
import { optimistically } from "./optimistic.ts";
import { partyOf, partyToNote } from "./party.ts";
import { type Draft, planChange, silencedNow } from "./plan-change.ts";
import type { LedgerStore, SubjectLedger } from "./store.ts";
import { SubjectTurns } from "./subject-turns.ts";

/** Records outside Redis what no restore may undo. A change is not confirmed before that. */
export interface LedgerJournal {
  /** Less is allowed from `fence` on. */
  narrowing(tag: SubjectTag, fence: number): Promise<void>;
  /** The subject's party status (minor, guardian) from now on. */
  minority(tag: SubjectTag, party: PartyStatement): Promise<void>;
  /** A hold is about to be placed on these terms or, without terms, to be released. */
  holding(tag: SubjectTag, ref: string, hold: LegalHold | undefined): Promise<void>;
  /**
   * The device's token, whatever it was, is no longer valid, but for the one of which the MAC is given; and neither is any
   * registration as a hub or behind one. `number` counts these endings.
   */
  tokenEnded(device: DeviceKey, number: number, standing?: string): Promise<void>;
}

export interface ChangeOptions {
  /** Shared by all ledger changes in this process. */
  readonly turns?: SubjectTurns | undefined;
  /** Creates a random subject key, wrapped by the master key; only consent needs one. */
  createSubjectKey?(): string;
  /** Unix ms. */
  now(): number;
  /** Number of events after which no event is added that lets a device do more. */
  readonly wideningLimit?: number;
  /** Which of these changes are recorded outside Redis. A part is left out where no such change can occur. */
  readonly journal: Partial<LedgerJournal>;
}

/** The ledger states this already: nothing is appended. */
export const ON_RECORD = "on-record";
export type Drafted = Draft | typeof ON_RECORD | undefined;

/**
 * `draft` may be called more than once; it returns `undefined` when there is nothing to state. Throws
 * `REDIS_UNAVAILABLE`, `CONSENT_CONFLICT`, `LEDGER_BROKEN`, `LEDGER_FULL`.
 */
export async function changeLedger(
  store: LedgerStore,
  tag: SubjectTag,
  options: ChangeOptions,
  draft: (ledger: SubjectLedger) => Drafted,
): Promise<LedgerChange> {
  const { turns = new SubjectTurns() } = options;
  const change = () => optimistically("appending to a ledger", () => tryToChange(store, tag, options, draft));
  return turns.take(tag, "appending to a ledger", change);
}

/** `undefined` when another writer was first. */
async function tryToChange(
  store: LedgerStore,
  tag: SubjectTag,
  options: ChangeOptions,
  draft: (ledger: SubjectLedger) => Drafted,
): Promise<LedgerChange | undefined> {
  const before = await store.read(tag);
  const unchanged: LedgerChange = { fence: before.state.fence, narrowed: false, silenced: [] };
  const body = draft(before);
  if (body === undefined) return unchanged;
  if (body === ON_RECORD) return saidAgain(options, before);
  const created = body.type === "given" || body.type === "reconfirmed" ? options.createSubjectKey?.() : undefined;
  const wrappedSubjectKey = before.wrappedSubjectKey ?? created ?? NO_SUBJECT_KEY;
  const planned = planChange(before, body, { wrappedSubjectKey, now: options.now() });
  const room = roomFor(body.type, before.events.length, planned.takesAway, options.wideningLimit);
  if (room === "full") throw new GatewayError("LEDGER_FULL", body.type);
  if (room === "nothing") return saidAgain(options, before);
  await noteHold(options, tag, planned.event);
  // In parallel: a journal that cannot be written must delay the answer, never the withdrawal itself.
  const notes = [
    planned.change.narrowed ? options.journal.narrowing?.(tag, planned.state.fence) : undefined,
    noteParty(options, tag, partyToNote(before.state, planned.event, planned.state)),
  ];
  const [appended, ...noted] = await Promise.allSettled([store.append(before, planned), ...notes]);
  if (appended.status === "rejected") throw appended.reason;
  for (const note of noted) if (note.status === "rejected") throw note.reason;
  return appended.value ? planned.change : undefined;
}

/**
 * The earlier attempt may have failed between the ledger and the journal, or before anything was done about the
 * devices. Both are repeated; otherwise the answer would promise what a restore undoes.
 */
async function saidAgain(options: ChangeOptions, { tag, state }: SubjectLedger): Promise<LedgerChange> {
  if (state.fence > 0) await options.journal.narrowing?.(tag, state.fence);
  if (state.minor) await options.journal.minority?.(tag, partyOf(state));
  return { fence: state.fence, narrowed: false, silenced: silencedNow(state, options.now()), repeated: true };
}

async function noteParty(options: ChangeOptions, tag: SubjectTag, party: PartyStatement | undefined): Promise<void> {
  if (party !== undefined) await options.journal.minority?.(tag, party);
}

/**
 * Recorded first: evidence of which there is no record outside Redis would be lost with Redis, and so would a release
 * that gives rights back.
 */
async function noteHold(options: ChangeOptions, tag: SubjectTag, event: ConsentEvent): Promise<void> {
  if (event.type === "held") await options.journal.holding?.(tag, event.ref, holdOf(event));
  if (event.type === "released" && event.ref !== undefined) await options.journal.holding?.(tag, event.ref, undefined);
}
