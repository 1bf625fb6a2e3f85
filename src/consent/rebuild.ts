/**
 * A subject as a restore must write it: its ledger, verified, with what was taken back since the backup
 * stated anew at its end, and everything else computed from that. Pure.
 */
import { NO_SUBJECT_KEY } from "../model/consent.ts";
import type { LegalHold } from "../model/consent-record.ts";
import type { ErasureFacts } from "../model/erasure.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { encodeDecision } from "./decision-record.ts";
import { erasureFacts, WITHOUT_KEY } from "./erasure-facts.ts";
import { canonicalJson, hashText } from "./hash-chain.ts";
import { sameHold } from "./holds.ts";
import { type SubjectLedger, stateAfter, verifiedEvents } from "./ledger-store.ts";
import { type Draft, planChange } from "./plan-change.ts";
import { materialise, statementsOf } from "./subject-state.ts";

const BY_RESTORE = { by: "controller", method: "restore" } as const;

export interface SavedSubject {
  readonly tag: SubjectTag;
  /** Hash of the last event. */
  readonly head: string;
  /** Events as they lay in the ledger, oldest first. */
  readonly events: readonly string[];
  /** `undefined` when the key was destroyed, or is not there any more. */
  readonly wrappedSubjectKey: string | undefined;
}

/** What happened since and must happen again. */
export interface Since {
  readonly withdraw: boolean;
  /** Legal holds as they stood last; those without terms had ended. */
  readonly holds: readonly { readonly ref: string; readonly hold: LegalHold | undefined }[];
  /** In the order in which they were asked for; those the ledger names already are known to it. */
  readonly erasures: readonly { readonly id: string; readonly destroyed: boolean }[];
}

/** An erasure that was asked for and did not get to the end: it begins again. */
export interface BegunErasure {
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
  readonly begun: readonly BegunErasure[];
  /** When the first of the legal holds that stand is due to end, Unix ms. */
  readonly heldUntil: number | undefined;
}

/** Throws LEDGER_BROKEN when the events do not follow from one another. */
export function rebuildSubject(saved: SavedSubject, since: Since, now: number): RebuiltSubject {
  const events = verifiedEvents(saved.tag, saved.head, saved.events);
  const state = stateAfter(events, saved.events.length);
  let ledger: SubjectLedger = { ...saved, events, state };
  const texts = [...saved.events];
  const begun: BegunErasure[] = [];
  const append = (draft: Draft, keyAfter: string | undefined): void => {
    const { event, state: after } = planChange(ledger, draft, { wrappedSubjectKey: keyAfter ?? NO_SUBJECT_KEY, now });
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
  const given = statementsOf(ledger.state).some((consent) => consent.state === "given");
  // Without its key nothing of a subject can be processed under its name; the next consent begins a new one. An erasure
  // has to know of it: what was stored before cannot be found under that one.
  const facts = erasureFacts(ledger.events);
  if (ledger.wrappedSubjectKey === undefined && facts.since !== undefined && (given || facts.keyLost === undefined)) {
    append({ type: "withdrawn", by: "controller", method: WITHOUT_KEY }, undefined);
  } else if (given && since.withdraw) {
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
