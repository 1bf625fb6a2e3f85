/** The current state and the events behind it, in the shape shown to the outside. */
import { type ConsentRecord, SCHEMA_VERSION } from "../../model/consent-record.ts";
import { standingOf } from "../policy/changes.ts";
import type { FloorPlan } from "../policy/floors.ts";
import type { SubjectLedger } from "./store.ts";
import { type Consent, decisionOf } from "./subject-state.ts";

export interface ShownAs {
  readonly controller: string;
  /** What the policies leave of a consent. */
  readonly plan: FloorPlan;
  /** Unix ms. */
  readonly now: number;
}

export function showRecord(ledger: SubjectLedger, as: ShownAs): ConsentRecord {
  const { state, tag, head, events } = ledger;
  const shown = (consent: Consent | undefined): ConsentRecord["consent"] => {
    if (consent === undefined) return undefined;
    const { guardianApproved: _, grants: __, invalidated: ___, ...statement } = consent;
    const { suspended, toConfirm } = standingOf(decisionOf(state, consent), as.plan, as.now);
    return { ...statement, ...(suspended && { suspended }), ...(toConfirm && { toConfirm }) };
  };
  return {
    schemaVersion: SCHEMA_VERSION,
    subject: tag,
    controller: as.controller,
    fence: state.fence,
    epoch: state.fence,
    head,
    minor: state.minor,
    guardian: state.guardian,
    holds: [...state.holds.values()],
    consent: shown(state.general),
    devices: [...state.devices].map((device) => ({ device, consent: shown(state.own.get(device)) })),
    events,
  };
}
