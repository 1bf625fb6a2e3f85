/**
 * Repairs a ledger that Redis rolled back behind what was already confirmed to someone: everything is withdrawn, and
 * the subject's party and the standing holds are stated again. What the ledger already contains, or states differently
 * since, is kept.
 */
import { NO_SUBJECT_KEY } from "../../model/consent.ts";
import type { ConsentEvent, LegalHold, PartyStatement } from "../../model/consent-record.ts";
import type { SubjectTag } from "../../model/ids.ts";
import { optimistically } from "./optimistic.ts";
import { partyOf, sameParty } from "./party.ts";
import { type Draft, planChange } from "./plan-change.ts";
import type { LedgerStore, SubjectLedger } from "./store.ts";

/** What the journal outside Redis recorded; times are Unix ms. */
export interface Noted {
  /** The highest fence that was confirmed to anyone. */
  readonly fence: number;
  readonly party: { readonly at: number; readonly party: PartyStatement } | undefined;
  readonly holds: readonly { readonly at: number; readonly hold: LegalHold }[];
}

/** The event and its journal line have the same time, except for a writer that had to retry. */
const SAME_MOMENT_MS = 5_000;
const BY_JOURNAL = { by: "controller", method: "restore" } as const;

/** Returns the number of events added. Throws `REDIS_UNAVAILABLE`, `CONSENT_CONFLICT`, `LEDGER_BROKEN`. */
export async function catchUp(store: LedgerStore, tag: SubjectTag, noted: Noted, now: number): Promise<number> {
  for (let added = 0; ; added += 1) {
    const more = await optimistically("catching up with the journal", async () => {
      const before = await store.read(tag);
      const draft = lacking(before, noted, now);
      if (draft === undefined) return false;
      const wrappedSubjectKey = before.wrappedSubjectKey ?? NO_SUBJECT_KEY;
      const above = { ...before, state: { ...before.state, fence: Math.max(before.state.fence, noted.fence) } };
      const planned = planChange(above, draft, { wrappedSubjectKey, now });
      return (await store.append(before, planned)) || undefined;
    });
    if (!more) return added;
  }
}

/** The next event to append; `undefined` when nothing is missing. */
function lacking({ events, state }: SubjectLedger, { fence, party, holds }: Noted, now: number): Draft | undefined {
  if (party !== undefined && !sameParty(partyOf(state), party.party) && !events.some((one) => isParty(one, party.at)))
    return { type: "withdrawn", ...BY_JOURNAL, ...party.party };
  if (state.fence < fence) return { type: "withdrawn", ...BY_JOURNAL };
  const missing = holds.find(({ at, hold }) => hold.until > now && !events.some((one) => isHold(one, hold.ref, at)));
  if (missing === undefined) return undefined;
  const { ref, until, devices } = missing.hold;
  return { type: "held", ...BY_JOURNAL, by: "authority", ref, until, devices: devices && [...devices] };
}

function isParty(event: ConsentEvent, at: number): boolean {
  return "minor" in event && event.minor !== undefined && event.at >= at - SAME_MOMENT_MS;
}

function isHold(event: ConsentEvent, ref: string, at: number): boolean {
  return (event.type === "held" || event.type === "released") && event.ref === ref && event.at >= at - SAME_MOMENT_MS;
}
