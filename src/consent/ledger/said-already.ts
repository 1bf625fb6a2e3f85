/**
 * Whether a statement or withdrawal repeats in the same words what is already in force. Then it is not recorded again;
 * otherwise repetitions would fill a record that is kept for good. Pure.
 */
import { isConsent } from "../../model/consent-record.ts";
import { DAY_MS } from "../../model/durations.ts";
import { canonicalJson } from "../hash-chain.ts";
import { fold } from "./fold.ts";
import type { Draft } from "./plan-change.ts";
import type { StatementEvent } from "./statement.ts";
import type { SubjectLedger } from "./store.ts";
import type { Consent, SubjectState } from "./subject-state.ts";

export type StatementDraft = Extract<Draft, { type: StatementEvent["type"] }>;
type WithdrawalDraft = Extract<Draft, { type: "withdrawn" }>;

/**
 * `openEnded`: the subject set no end. Consent repeated on another day then lasts longer, which is a change; on the
 * same day it is not.
 */
export function saidAlready(
  { events, state }: Pick<SubjectLedger, "events" | "state">,
  draft: StatementDraft,
  { now, openEnded }: { readonly now: number; readonly openEnded: boolean },
): boolean {
  const next = after(state, draft, now);
  if (!sameStanding(state, next, { now, openEnded })) return false;
  const replaced = replacedBy(state, next);
  if (replaced.size > 1) return false;
  const [recordId] = replaced;
  const at =
    recordId === undefined
      ? events.findLastIndex(({ type }) => !BESIDE.has(type))
      : events.findIndex((event) => event.recordId === recordId);
  const before = events[at];
  // A statement made before an erasure must be recorded again.
  const erased = events.slice(at).some(({ type }) => type === "erasure-requested");
  return before !== undefined && !erased && isStatement(before) && wordsOf(before) === wordsOf(draft);
}

/** Whether the same was withdrawn since the last statement, with nothing of it left to withdraw. */
export function takenBackAlready(
  { events, state }: Pick<SubjectLedger, "events" | "state">,
  draft: WithdrawalDraft,
  now: number,
): boolean {
  const next = after(state, draft, now);
  if (next.general !== state.general) return false;
  for (const [device, consent] of next.own) if (consent !== state.own.get(device)) return false;
  const since = events.slice(events.findLastIndex(({ type }) => !BESIDE_WITHDRAWAL.has(type)) + 1);
  return since.some((event) => event.type === "withdrawn" && wordsOf(event) === wordsOf(draft));
}

function after(state: SubjectState, draft: Draft, now: number): SubjectState {
  const stamp = { schemaVersion: 2, recordId: "", at: now, fence: state.fence, prevHash: "" } as const;
  return fold(state, { ...stamp, ...draft });
}

/** The effect is the same, whichever of two equal statements it rests on. */
function sameStanding(
  was: SubjectState,
  next: SubjectState,
  ends: { readonly now: number; readonly openEnded: boolean },
): boolean {
  if (was.minor !== next.minor || guardianOf(was) !== guardianOf(next) || was.own.size !== next.own.size) return false;
  if (!sameConsent(was.general, next.general, ends)) return false;
  for (const [device, consent] of next.own) if (!sameConsent(was.own.get(device), consent, ends)) return false;
  return true;
}

function sameConsent(
  was: Consent | undefined,
  next: Consent | undefined,
  { now, openEnded }: { readonly now: number; readonly openEnded: boolean },
): boolean {
  if (was === next) return true;
  if (was === undefined || next === undefined || termsOf(was) !== termsOf(next)) return false;
  if (next.state === "requested") return true;
  if (was.expiresAt === next.expiresAt) return true;
  if (next.state === "refused") return was.expiresAt === was.at && next.expiresAt === next.at;
  return openEnded && was.expiresAt > now && next.expiresAt - was.expiresAt < DAY_MS && next.expiresAt >= was.expiresAt;
}

function termsOf({ recordId: _, at: __, expiresAt: ___, ...terms }: Consent): string {
  return wordsIn(terms);
}

function guardianOf({ guardian }: SubjectState): string {
  return canonicalJson({ ...guardian, at: 0 });
}

/** The statements that the new one would replace. */
function replacedBy(was: SubjectState, next: SubjectState): Set<string> {
  const replaced = new Set<string>();
  if (next.general !== was.general && was.general !== undefined) replaced.add(was.general.recordId);
  for (const [device, consent] of next.own) {
    const before = was.own.get(device);
    if (before !== undefined && before !== consent) replaced.add(before.recordId);
  }
  return replaced;
}

/** Events that may follow a request without replacing it, since an answer exists already: it stays the last word. */
const BESIDE: ReadonlySet<string> = new Set(["bound", "unbound", "held", "released"]);
/** None of these grants anything that could be withdrawn again. */
const BESIDE_WITHDRAWAL: ReadonlySet<string> = new Set([...BESIDE, "withdrawn", "expired", "invalidated"]);

function isStatement(event: { readonly type: string }): event is StatementEvent {
  return isConsent(event as StatementEvent) || event.type === "refused" || event.type === "requested";
}

const STAMPS: ReadonlySet<string> = new Set([
  "schemaVersion",
  "recordId",
  "at",
  "fence",
  "prevHash",
  "expiresAt",
  "type",
]);

/** Everything stated and by whom, without its time and its end. */
function wordsOf(statement: StatementDraft | StatementEvent | WithdrawalDraft): string {
  const kind = isConsent(statement as StatementEvent) ? "given" : statement.type;
  return `${kind} ${wordsIn(Object.fromEntries(Object.entries(statement).filter(([name]) => !STAMPS.has(name))))}`;
}

/** One text for one meaning: lists in a statement are unordered. */
function wordsIn(value: unknown): string {
  return canonicalJson(
    JSON.parse(JSON.stringify(value), (_, member) =>
      Array.isArray(member) ? member.toSorted((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1)) : member,
    ),
  );
}
