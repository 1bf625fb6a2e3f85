/**
 * The result of a ledger: the statements in force, and the decision for each device. Pure; everything is computed from
 * the events and can be computed again.
 */
import type { ConsentState, Decision, Grants } from "../../model/consent.ts";
import type { Guardian, LegalHold, PurposeTerms } from "../../model/consent-record.ts";
import type { DeviceKey } from "../../model/ids.ts";
import type { Purpose } from "../../model/purposes.ts";
import { allowed } from "../decision/decide.ts";
import { encodeSince, followed, type GrantedSince, type History } from "../decision/uninterrupted.ts";

/** One statement of the subject, with the terms it was made under. */
export interface Consent {
  readonly state: ConsentState;
  readonly recordId: string;
  readonly at: number;
  readonly controller: string;
  readonly jurisdiction: string[];
  readonly policyVersion: number;
  readonly policyHash: string;
  readonly noticeLanguage: string;
  readonly purposes: readonly PurposeTerms[];
  /** The categories of `purposes`, as bits. */
  readonly grants: Grants;
  readonly expiresAt: number;
  /** A verified guardian approved this very statement. */
  readonly guardianApproved: boolean;
  /** The purposes for which the ledger already records a suspension by a newer policy. */
  readonly invalidated: readonly Purpose[];
}

export interface SubjectState {
  readonly fence: number;
  readonly devices: ReadonlySet<DeviceKey>;
  /** For every device without a statement of its own. */
  readonly general: Consent | undefined;
  readonly own: ReadonlyMap<DeviceKey, Consent>;
  readonly minor: boolean;
  readonly guardian: Guardian | undefined;
  /** By reference; each of them freezes what it covers. */
  readonly holds: ReadonlyMap<string, LegalHold>;
  /** Number of events up to this state. */
  readonly revision: number;
  /** The latest time of any event, Unix ms: a slower clock does not revive what has expired. */
  readonly clock: number;
  /** Since when each grant of the general statement has held without a break. */
  readonly generalSince: readonly GrantedSince[];
  /** The same for each bound device; under the general statement, up to the time it came under it. */
  readonly histories: ReadonlyMap<DeviceKey, History>;
}

export const EMPTY_STATE: SubjectState = {
  fence: 0,
  devices: new Set(),
  general: undefined,
  own: new Map(),
  minor: false,
  guardian: undefined,
  holds: new Map(),
  revision: 0,
  clock: 0,
  generalSince: [],
  histories: new Map(),
};

export function consentOf(state: SubjectState, device: DeviceKey): Consent | undefined {
  return state.own.get(device) ?? state.general;
}

/** Every statement that counts for something. */
export function statementsOf(state: SubjectState): Consent[] {
  return [...new Set(state.own.values()), ...(state.general === undefined ? [] : [state.general])];
}

/** What a consent allows by the ledger's clock, without holds and policies. */
export function grantsNow(state: SubjectState, consent: Consent | undefined): Grants {
  return consent === undefined ? 0 : allowed(decisionOf(state, consent), state.clock);
}

/** Since when each grant of the device has held without a break. */
export function sinceOf(state: SubjectState, device: DeviceKey): readonly GrantedSince[] {
  const history = state.histories.get(device);
  if (history === undefined) return [];
  return state.own.has(device) ? history.since : followed(history, state.generalSince);
}

/** The decision of every bound device with a statement. */
export function materialise(state: SubjectState, wrappedSubjectKey: string): Map<DeviceKey, Decision> {
  const decisions = new Map<DeviceKey, Decision>();
  for (const device of state.devices) {
    const consent = consentOf(state, device);
    if (consent === undefined) continue;
    const since = encodeSince(sinceOf(state, device));
    decisions.set(device, { ...decisionOf(state, consent), held: isHeld(state, device), since, wrappedSubjectKey });
  }
  return decisions;
}

/** What a consent means by itself, for any device it covers. */
export function decisionOf(state: SubjectState, consent: Consent): Decision {
  return {
    state: consent.state,
    fence: state.fence,
    expiresAt: consent.expiresAt,
    policyVersion: consent.policyVersion,
    grants: consent.grants,
    minor: state.minor,
    guardianVerified: consent.guardianApproved,
    held: false,
    revision: state.revision,
    since: "",
    wrappedSubjectKey: "",
  };
}

/** Whether a legal hold covers the device, bound or not. */
export function isHeld(state: SubjectState, device: DeviceKey): boolean {
  for (const { devices } of state.holds.values()) if (devices?.includes(device) ?? true) return true;
  return false;
}

export function hasRunOut(
  { state, expiresAt }: { readonly state: ConsentState; readonly expiresAt: number },
  at: number,
): boolean {
  return state === "given" && expiresAt <= at;
}
