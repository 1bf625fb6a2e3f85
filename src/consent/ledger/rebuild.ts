/**
 * A subject as a restore must write it: its verified ledger, with everything that was withdrawn since the backup stated
 * again at its end, and all else computed from that. Pure.
 */
import { NO_SUBJECT_KEY } from "../../model/consent.ts";
import type { LegalHold, PartyStatement } from "../../model/consent-record.ts";
import type { ErasureFacts } from "../../model/erasure.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { encodeDecision } from "../decision/record.ts";
import { canonicalJson, genesis, hashText } from "../hash-chain.ts";
import { erasureFacts, WITHOUT_KEY } from "./erasure-facts.ts";
import { sameHold } from "./holds.ts";
import { chainBehind, isBroken, type Remains } from "./new-chain.ts";
import { partyOf, sameParty } from "./party.ts";
import { type Draft, planChange } from "./plan-change.ts";
import { type SubjectLedger, stateAfter, verifiedEvents } from "./store.ts";
import { materialise, statementsOf } from "./subject-state.ts";

const BY_RESTORE = { by: "controller", method: "restore" } as const;

export interface SavedSubject {
  readonly tag: SubjectTag;
  /** Hash of the last event; absent for a subject that only the journal knows. */
  readonly head: string | undefined;
  /** Events as stored in the ledger, oldest first. */
  readonly events: readonly string[];
  /** `undefined` when the key was destroyed or is missing. */
  readonly wrappedSubjectKey: string | undefined;
  /** With it, a ledger that does not verify gets a new chain instead of an error. */
  readonly remains?: Pick<Remains, "fence" | "bound" | "heldUntil"> | undefined;
}

/** What happened since the backup and must be applied again. */
export interface Since {
  readonly withdraw: boolean;
  /** The highest fence that was confirmed to anyone; whatever is stated again gets a higher one. */
  readonly fence: number;
  /** The subject's party status, when it was stated since. */
  readonly party: PartyStatement | undefined;
  /** Legal holds in their last state; those without terms had ended. */
  readonly holds: readonly { readonly ref: string; readonly hold: LegalHold | undefined }[];
  /** In the order of the requests; the ledger already knows those it contains. */
  readonly erasures: readonly { readonly id: string; readonly destroyed: boolean }[];
}

/** An erasure that was asked for and did not get to the end: it begins again. */
interface UnfinishedErasure {
  readonly id: string;
  readonly facts: ErasureFacts;
  readonly wrappedSubjectKey: string | undefined;
}

export interface RebuiltSubject {
  readonly head: string;
  readonly fence: number;
  readonly events: readonly string[];
  readonly devices: readonly DeviceKey[];
  readonly decisions: readonly (readonly [DeviceKey, string])[];
  readonly wrappedSubjectKey: string | undefined;
  readonly begun: readonly UnfinishedErasure[];
  /** When the first of the legal holds that stand is due to end, Unix ms. */
  readonly heldUntil: number | undefined;
}

/** Throws LEDGER_BROKEN when the events do not form a chain and nothing else is known. */
export function rebuildSubject(saved: SavedSubject, since: Since, now: number): RebuiltSubject {
  const read = readSaved(saved, now);
  let ledger = read.ledger;
  const texts = [...read.texts];
  const begun: UnfinishedErasure[] = [];
  const append = (draft: Draft, keyAfter: string | undefined): void => {
    const above = { ...ledger, state: { ...ledger.state, fence: Math.max(ledger.state.fence, since.fence) } };
    const { event, state: after } = planChange(above, draft, { wrappedSubjectKey: keyAfter ?? NO_SUBJECT_KEY, now });
    const text = canonicalJson(event);
    texts.push(text);
    ledger = {
      ...ledger,
      head: hashText(text),
      events: [...ledger.events, event],
      state: after,
      wrappedSubjectKey: keyAfter,
    };
  };
  for (const party of partiesToState(ledger, since.party))
    append({ type: "withdrawn", ...BY_RESTORE, ...party }, ledger.wrappedSubjectKey);
  // Before the erasures: they must find the hold they have to wait for.
  for (const { ref, hold } of since.holds) {
    const standing = ledger.state.holds.get(ref);
    const key = ledger.wrappedSubjectKey;
    if (hold === undefined && standing !== undefined) append({ type: "released", ref, ...BY_RESTORE }, key);
    if (hold !== undefined && !sameHold(standing, hold)) append({ type: "held", ...hold, ...BY_RESTORE }, key);
  }
  for (const { id, destroyed } of since.erasures) {
    const known = ledger.events.flatMap((event) => ("erasure" in event && event.erasure === id ? [event.type] : []));
    if (!known.includes("erasure-requested")) {
      const { wrappedSubjectKey } = ledger;
      if (!destroyed) begun.push({ id, facts: erasureFacts(ledger.events), wrappedSubjectKey });
      append({ type: "erasure-requested", erasure: id, ...BY_RESTORE }, undefined);
    }
    if (destroyed && !known.includes("erased"))
      append({ type: "erased", erasure: id, ...BY_RESTORE }, ledger.wrappedSubjectKey);
  }
  // Uses the fence of the events: no hash covers the fence stored beside them.
  const withdraw = since.withdraw || read.ledger.state.fence < since.fence;
  const given = statementsOf(ledger.state).some((consent) => consent.state === "given");
  // Also when nothing is left to withdraw: the fence that was confirmed to someone must be reached.
  const behind = withdraw && ledger.events.length > 0 && ledger.state.fence < since.fence;
  // Without its key, a subject's data cannot be processed under its name; the next consent starts a new key. An erasure
  // must know this: rows stored before cannot be found under the new key.
  const facts = erasureFacts(ledger.events);
  if (ledger.wrappedSubjectKey === undefined && facts.since !== undefined && (given || facts.keyLost === undefined)) {
    append({ type: "withdrawn", by: "controller", method: WITHOUT_KEY }, undefined);
  } else if (behind || (given && withdraw)) {
    append({ type: "withdrawn", ...BY_RESTORE }, ledger.wrappedSubjectKey);
  }
  const ends = [...ledger.state.holds.values()].map(({ until }) => until);
  const decisions = [...materialise(ledger.state, ledger.wrappedSubjectKey ?? NO_SUBJECT_KEY)];
  return {
    head: ledger.head,
    fence: ledger.state.fence,
    events: texts,
    devices: [...ledger.state.devices],
    decisions: decisions.map(([device, decision]) => [device, encodeDecision(decision)] as const),
    wrappedSubjectKey: ledger.wrappedSubjectKey,
    begun,
    heldUntil: ends.length === 0 ? undefined : Math.min(...ends),
  };
}

/**
 * Empty when the ledger says the same. A guardian on file who should not be there is removed by a coming of age first.
 */
function partiesToState({ state }: SubjectLedger, party: PartyStatement | undefined): PartyStatement[] {
  if (party === undefined || sameParty(partyOf(state), party)) return [];
  const replaced = party.guardian === undefined && party.minor && state.guardian !== undefined;
  return replaced ? [{ minor: false }, party] : [party];
}

function readSaved(saved: SavedSubject, now: number): { ledger: SubjectLedger; texts: readonly string[] } {
  const { tag, wrappedSubjectKey, remains } = saved;
  const head = saved.head ?? genesis(tag);
  try {
    const events = verifiedEvents(tag, head, saved.events);
    const state = stateAfter(events, saved.events.length);
    return { ledger: { tag, head, wrappedSubjectKey, events, state }, texts: saved.events };
  } catch (error) {
    if (remains === undefined || !isBroken(error)) throw error;
    const anew = chainBehind(tag, { ...remains, texts: saved.events, head }, now);
    return { ledger: { ...anew.ledger, wrappedSubjectKey }, texts: [...saved.events, ...anew.texts] };
  }
}
