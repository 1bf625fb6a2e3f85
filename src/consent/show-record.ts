/** Today's state and the events behind it, in the shape that is shown. */
import { type ConsentRecord, SCHEMA_VERSION } from "../model/consent-record.ts";
import type { Consent } from "./fold.ts";
import type { SubjectLedger } from "./ledger-store.ts";

export function showRecord(ledger: SubjectLedger, controller: string): ConsentRecord {
  const { state, tag, head, events } = ledger;
  return {
    schemaVersion: SCHEMA_VERSION,
    subject: tag,
    controller,
    fence: state.fence,
    head,
    minor: state.minor,
    guardian: state.guardian,
    holds: [...state.holds.values()],
    consent: shown(state.general),
    devices: [...state.devices].map((device) => ({ device, consent: shown(state.own.get(device)) })),
    events,
  };
}

function shown(consent: Consent | undefined): ConsentRecord["consent"] {
  if (consent === undefined) return undefined;
  const { guardianApproved: _, ...statement } = consent;
  return statement;
}
