/**
 * From events to state, and from state to the decision of each device. Pure: the ledger is the only
 * truth, everything else is computed from it and can be computed again.
 */
import { type ConsentState, type Decision, type Grants, grantsOf } from "../model/consent.ts";
import type { ConsentEvent, EventOf, Guardian, LegalHold, PurposeTerms } from "../model/consent-record.ts";
import type { DeviceKey } from "../model/ids.ts";
import { allowed } from "./decide.ts";
import { continued, encodeSince, type GrantedSince } from "./uninterrupted.ts";

/** One statement of the subject, with the terms it was made under. */
export interface Consent {
  readonly state: Extract<ConsentState, "given" | "refused" | "withdrawn" | "expired">;
  readonly recordId: string;
  readonly at: number;
  readonly controller: string;
  readonly jurisdiction: string[];
  readonly policyVersion: number;
  readonly policyHash: string;
  readonly noticeLanguage: string;
  readonly purposes: readonly PurposeTerms[];
  readonly expiresAt: number;
  /** A verified guardian stands behind this very statement. */
  readonly guardianApproved: boolean;
}

export interface SubjectState {
  readonly fence: number;
  readonly devices: ReadonlySet<DeviceKey>;
  /** For every device that has no statement of its own. */
  readonly general: Consent | undefined;
  readonly own: ReadonlyMap<DeviceKey, Consent>;
  readonly minor: boolean;
  readonly guardian: Guardian | undefined;
  /** By reference; any of them freezes what it covers. */
  readonly holds: ReadonlyMap<string, LegalHold>;
  /** How many events led here. */
  readonly revision: number;
  /** Since when each grant of a bound device has held without a break. */
  readonly since: ReadonlyMap<DeviceKey, readonly GrantedSince[]>;
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
  since: new Map(),
};

export function fold(state: SubjectState, event: ConsentEvent): SubjectState {
  const next = applied({ ...state, fence: event.fence, revision: state.revision + 1 }, event);
  return { ...next, since: sinceAfter(state, next, event.at) };
}

function applied(state: SubjectState, event: ConsentEvent): SubjectState {
  switch (event.type) {
    case "bound":
      return { ...state, devices: new Set(state.devices).add(event.device) };
    case "unbound":
      // Its own statement stays: should the device come back, a withdrawal made for it must still hold.
      return { ...state, devices: without(state.devices, event.device) };
    case "given":
      return given(state, event);
    case "refused":
      return stated(state, event.devices, { ...refusedTerms(event), guardianApproved: false });
    case "withdrawn":
      return withdrawn(state, event);
    case "held":
      return { ...state, holds: new Map(state.holds).set(event.ref, holdOf(event)) };
    case "released":
      return { ...state, holds: withoutHold(state.holds, event.ref) };
    case "expired":
      return expired(state, event.at);
    case "erasure-requested":
      return withdrawn(state, {});
    case "erased":
      return state;
  }
}

function sinceAfter(before: SubjectState, after: SubjectState, at: number): SubjectState["since"] {
  const stoodBefore = grantsByDevice(before, at);
  const standsAfter = grantsByDevice(after, at);
  const since = new Map<DeviceKey, readonly GrantedSince[]>();
  for (const device of after.devices) {
    // What ran out by the clock ended without an event of its own.
    const unbroken = continued(before.since.get(device) ?? [], stoodBefore(device), before.revision);
    const lasting = continued(unbroken, standsAfter(device), after.revision);
    if (lasting.length > 0) since.set(device, lasting);
  }
  return since;
}

/** What each device is allowed by its consent, worked out once for all that share one. */
function grantsByDevice(state: SubjectState, at: number): (device: DeviceKey) => Grants {
  const known = new Map<Consent, Grants>();
  return (device) => {
    const consent = state.devices.has(device) ? (state.own.get(device) ?? state.general) : undefined;
    if (consent === undefined) return 0;
    let grants = known.get(consent);
    if (grants === undefined) {
      grants = allowed(decisionOf(state, consent), at);
      known.set(consent, grants);
    }
    return grants;
  };
}

/** The decision of every bound device about which something was stated. */
export function materialise(state: SubjectState, wrappedSubjectKey: string): Map<DeviceKey, Decision> {
  const decisions = new Map<DeviceKey, Decision>();
  for (const device of state.devices) {
    const consent = state.own.get(device) ?? state.general;
    if (consent === undefined) continue;
    const since = encodeSince(state.since.get(device) ?? []);
    decisions.set(device, { ...decisionOf(state, consent), held: isHeld(state, device), since, wrappedSubjectKey });
  }
  return decisions;
}

/** What a consent says by itself, of any device it covers. */
function decisionOf(state: SubjectState, consent: Consent): Decision {
  return {
    state: consent.state,
    fence: state.fence,
    expiresAt: consent.expiresAt,
    policyVersion: consent.policyVersion,
    grants: grantsOf(Object.fromEntries(consent.purposes.map((terms) => [terms.id, terms.categories]))),
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

export function holdOf({ ref, until, devices }: EventOf<"held">): LegalHold {
  return devices === undefined ? { ref, until } : { ref, until, devices };
}

function withoutHold(holds: SubjectState["holds"], ref: string | undefined): SubjectState["holds"] {
  const rest = new Map(ref === undefined ? [] : holds);
  if (ref !== undefined) rest.delete(ref);
  return rest;
}

/** The consent itself stays on record; only its state changes. */
function expired(state: SubjectState, at: number): SubjectState {
  const ended = (consent: Consent): Consent => (hasRunOut(consent, at) ? { ...consent, state: "expired" } : consent);
  const own = new Map([...state.own].map(([device, consent]) => [device, ended(consent)]));
  return { ...state, own, general: state.general && ended(state.general) };
}

export function hasRunOut(
  { state, expiresAt }: { readonly state: ConsentState; readonly expiresAt: number },
  at: number,
): boolean {
  return state === "given" && expiresAt <= at;
}

function given(state: SubjectState, event: EventOf<"given">): SubjectState {
  const guardian = event.guardian === undefined ? state.guardian : { ...event.guardian, at: event.at };
  // A verification on file does not approve what the child alone states later.
  const guardianApproved = guardian?.verified === true && (event.guardian !== undefined || event.by === "guardian");
  const consent: Consent = {
    ...terms(event),
    state: "given",
    purposes: event.purposes,
    expiresAt: event.expiresAt,
    guardianApproved,
  };
  return { ...stated(state, event.devices, consent), minor: event.minor ?? state.minor, guardian };
}

function refusedTerms(event: EventOf<"refused">): Omit<Consent, "guardianApproved"> {
  return { ...terms(event), state: "refused", purposes: [], expiresAt: event.at };
}

function terms(event: EventOf<"given"> | EventOf<"refused">) {
  const { recordId, at, controller, jurisdiction, policyVersion, policyHash, noticeLanguage } = event;
  return { recordId, at, controller, jurisdiction, policyVersion, policyHash, noticeLanguage };
}

/** A statement about everything replaces all earlier ones; a statement about some devices replaces theirs. */
function stated(state: SubjectState, devices: readonly DeviceKey[] | undefined, consent: Consent): SubjectState {
  if (devices === undefined) return { ...state, general: consent, own: new Map() };
  const own = new Map(state.own);
  for (const device of devices) own.set(device, consent);
  return { ...state, own };
}

/** What is taken back; what it leaves out stands for all. */
type Withdrawal = Partial<Pick<EventOf<"withdrawn">, "devices" | "purposes" | "categories">>;

function withdrawn(state: SubjectState, event: Withdrawal): SubjectState {
  const own = new Map(state.own);
  if (event.devices !== undefined) {
    for (const device of event.devices) {
      const consent = state.own.get(device) ?? state.general;
      if (consent !== undefined) own.set(device, narrowed(consent, event));
    }
    return { ...state, own };
  }
  for (const [device, consent] of state.own) own.set(device, narrowed(consent, event));
  return { ...state, own, general: state.general && narrowed(state.general, event) };
}

function narrowed(consent: Consent, event: Withdrawal): Consent {
  if (consent.state !== "given") return consent;
  const purposes: PurposeTerms[] = [];
  for (const terms of consent.purposes) {
    const hit = event.purposes === undefined || event.purposes.includes(terms.id);
    const categories = hit
      ? terms.categories.filter((one) => !(event.categories?.includes(one) ?? true))
      : terms.categories;
    if (categories.length > 0) purposes.push({ ...terms, categories });
  }
  return purposes.length > 0 ? { ...consent, purposes } : { ...consent, purposes, state: "withdrawn" };
}

function without(devices: ReadonlySet<DeviceKey>, device: DeviceKey): ReadonlySet<DeviceKey> {
  const rest = new Set(devices);
  rest.delete(device);
  return rest;
}
