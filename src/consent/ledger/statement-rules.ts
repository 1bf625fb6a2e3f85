/** What may be stated in a ledger, by whom, and on which terms. Pure. */

import type { GiveInput, LedgerRefusal, PartyInput } from "../../model/consent-change.ts";
import type { EventOf, PurposeTerms } from "../../model/consent-record.ts";
import { DAY_MS } from "../../model/durations.ts";
import { endsMinority, type GuardianClaim, refusedAsGuardian } from "../../model/guardian.ts";
import { PURPOSES } from "../../model/purposes.ts";
import type { Policy } from "../policy/policies.ts";
import type { Draft } from "./plan-change.ts";
import type { SubjectLedger } from "./store.ts";
import { consentOf, type SubjectState } from "./subject-state.ts";

/** What a statement is about, who makes it, and the ledger state it refers to. */
export type About = PartyInput & GuardianClaim & Pick<GiveInput, "devices" | "basedOn">;

const MAX_CONSENT_DAYS = 3_660;

export function refusalOf(
  { events, state, head }: SubjectLedger,
  draft: Draft,
  about: About,
): LedgerRefusal | undefined {
  if (events.length === 0 && draft.type === "withdrawn") return "unknown-subject";
  if (about.devices?.some((device) => !state.devices.has(device))) return "device-not-bound";
  const foreign = refusedAsGuardian(state.guardian, about);
  if (foreign !== undefined) return foreign;
  if (state.minor && about.minor === false && !endsMinority(draft)) return "still-a-minor";
  return about.basedOn !== undefined && about.basedOn !== head ? "changed-meanwhile" : undefined;
}

export function inRange(expiresAt: number, now: number): boolean {
  return expiresAt > now && expiresAt <= now + MAX_CONSENT_DAYS * DAY_MS;
}

/** Whether consent to an earlier version exists for everything this one covers. */
export function agreesAnew(state: SubjectState, { devices, policyVersion }: GiveInput, now: number): boolean {
  const before = devices === undefined ? [state.general] : devices.map((device) => consentOf(state, device));
  return before.every((one) => one?.state === "given" && one.expiresAt > now && one.policyVersion < policyVersion);
}

/** The guardian who acted, for the event; empty when it was someone else. */
export function actingGuardian({
  by,
  guardianRef,
  guardian,
}: GuardianClaim): Pick<EventOf<"withdrawn">, "guardianRef"> {
  return by === "guardian" ? { guardianRef: guardianRef ?? guardian?.evidenceRef } : {};
}

/** The policy's terms, limited to what was consented to; `undefined` when the policy does not offer it. */
export function termsOf(asked: GiveInput["purposes"], policy: Policy): PurposeTerms[] | undefined {
  const terms: PurposeTerms[] = [];
  for (const id of PURPOSES) {
    const categories = [...new Set(asked[id] ?? [])];
    if (categories.length === 0) continue;
    const offered = policy.document.purposes[id];
    if (offered === undefined || categories.some((category) => !offered.categories.includes(category)))
      return undefined;
    const { basis, recipients, retentionDays, regions } = offered;
    terms.push({ id, basis, categories, recipients, retentionDays, regions });
  }
  return terms;
}

export function copyOf<T>(items: readonly T[] | undefined): T[] | undefined {
  return items && [...items];
}
