/**
 * From events to state. Pure: the ledger is the only source of truth, everything else is computed from it. An event
 * costs as much as the devices it concerns; devices under the general statement share one history.
 */
import { type ConsentEvent, type EventOf, isConsent, type LegalHold } from "../../model/consent-record.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { continued, type GrantedSince } from "../decision/uninterrupted.ts";
import {
  consentFrom,
  guardianAfter,
  invalidated,
  narrowed,
  type StatementEvent,
  type Withdrawal,
} from "./statement.ts";
import {
  type Consent,
  consentOf,
  EMPTY_STATE,
  grantsNow,
  hasRunOut,
  type SubjectState,
  sinceOf,
} from "./subject-state.ts";

/** A private copy of a state, changed in place. */
type Building = {
  -readonly [Field in keyof SubjectState]: SubjectState[Field] extends ReadonlyMap<infer Key, infer Value>
    ? Map<Key, Value>
    : SubjectState[Field] extends ReadonlySet<infer Item>
      ? Set<Item>
      : SubjectState[Field];
};

/** What an event does to the statements. A device whose new statement is `undefined` falls under the general one. */
type Change = Pick<SubjectState, "general" | "minor" | "guardian"> & {
  readonly own: ReadonlyMap<DeviceKey, Consent | undefined>;
};

export function fold(state: SubjectState, event: ConsentEvent): SubjectState {
  return foldAll([event], state);
}

/** The same for many events, without copying the state for each. */
export function foldAll(events: readonly ConsentEvent[], from: SubjectState = EMPTY_STATE): SubjectState {
  const state: Building = {
    ...from,
    devices: new Set(from.devices),
    own: new Map(from.own),
    holds: new Map(from.holds),
    histories: new Map(from.histories),
  };
  for (const event of events) apply(state, event);
  return state;
}

function apply(state: Building, event: ConsentEvent): void {
  state.clock = Math.max(state.clock, event.at);
  const change = changeBy(state, event);
  const touched = touchedBy(state, event, change);
  // Consent that expired by the clock ended without its own event.
  const unbroken = touched.map((device) => unbrokenUntilNow(state, device));
  const general = continued(state.generalSince, grantsNow(state, state.general), state.revision);

  state.fence = event.fence;
  state.revision += 1;
  state.general = change.general;
  state.minor = change.minor;
  state.guardian = change.guardian;
  if (event.type === "bound") state.devices.add(event.device);
  // Its own statement is kept: if the device returns, a withdrawal made for it must still hold.
  if (event.type === "unbound") state.devices.delete(event.device);
  if (event.type === "held") state.holds.set(event.ref, holdOf(event));
  if (event.type === "released") release(state, event.ref);
  for (const [device, consent] of change.own) {
    if (consent === undefined) state.own.delete(device);
    else state.own.set(device, consent);
  }

  state.generalSince = continued(general, grantsNow(state, state.general), state.revision);
  for (const [index, device] of touched.entries()) {
    if (!state.devices.has(device)) {
      state.histories.delete(device);
      continue;
    }
    const grants = grantsNow(state, consentOf(state, device));
    const since = continued(unbroken[index] ?? [], grants, state.revision);
    state.histories.set(device, { since, revision: state.revision });
  }
}

/** The devices whose own history this event must continue; all others follow the general history. */
function touchedBy(state: Building, event: ConsentEvent, change: Change): DeviceKey[] {
  if (event.type === "bound" || event.type === "unbound") return [event.device];
  // Limits of a minor apply to every statement, or are lifted from every statement.
  return change.minor === state.minor
    ? [...change.own.keys()]
    : [...new Set([...change.own.keys(), ...state.own.keys()])];
}

function unbrokenUntilNow(state: Building, device: DeviceKey): readonly GrantedSince[] {
  if (!state.devices.has(device)) return [];
  return continued(sinceOf(state, device), grantsNow(state, consentOf(state, device)), state.revision);
}

const NONE: Change["own"] = new Map();

function changeBy(state: Building, event: ConsentEvent): Change {
  if (isConsent(event) || event.type === "refused") return stated(state, event);
  switch (event.type) {
    case "requested":
      return requested(state, event);
    case "withdrawn":
      return event.devices === undefined
        ? { ...eachStatement(state, (one) => narrowed(one, event)), ...partyAfter(state, event) }
        : withdrawn(state, event);
    case "erasure-requested":
      return eachStatement(state, (one) => narrowed(one, {}));
    case "expired":
      // The consent itself stays on record; only its state changes.
      return eachStatement(state, (one) => (hasRunOut(one, event.at) ? { ...one, state: "expired" } : one));
    case "invalidated":
      return eachStatement(state, (one) => invalidated(one, event));
    default:
      return { ...state, own: NONE };
  }
}

/** A statement about all devices replaces all earlier ones; a statement about some devices replaces theirs. */
function stated(state: Building, event: StatementEvent): Change {
  const guardian = guardianAfter(state, event);
  const consent = consentFrom(event, guardian);
  const minor = event.minor ?? state.minor;
  if (event.devices !== undefined) {
    return { general: state.general, own: new Map(event.devices.map((device) => [device, consent])), minor, guardian };
  }
  return {
    general: consent,
    own: new Map([...state.own.keys()].map((device) => [device, undefined])),
    minor,
    guardian,
  };
}

/** Applies only where no answer exists yet; but when a minor comes of age, everything must be asked again. */
function requested(state: Building, event: EventOf<"requested">): Change {
  const { minor, guardian, general, own } = stated(state, event);
  if (state.minor && !minor) return { ...stated(state, { ...event, devices: undefined }), guardian: undefined };
  const open = (one: Consent | undefined) => one === undefined || one.state === "requested";
  if (event.devices === undefined)
    return { general: open(state.general) ? general : state.general, own: NONE, minor, guardian };
  const unanswered = [...own].filter(([device]) => open(consentOf(state, device)));
  return { general, own: new Map(unanswered), minor, guardian };
}

/** Only in a restore does a withdrawal say something about the party; an adult is left without a guardian. */
function partyAfter(state: Building, event: EventOf<"withdrawn">): Pick<Change, "minor" | "guardian"> {
  const minor = event.minor ?? state.minor;
  const before = event.minor === false ? { ...state, guardian: undefined } : state;
  return { minor, guardian: guardianAfter(before, event) };
}

function withdrawn(state: Building, event: Withdrawal): Change {
  const own = new Map<DeviceKey, Consent>();
  for (const device of event.devices ?? []) {
    const consent = consentOf(state, device);
    if (consent !== undefined) own.set(device, narrowed(consent, event));
  }
  return { ...state, own };
}

/** Devices named together share one statement object, and continue to share it. */
function eachStatement(state: Building, become: (consent: Consent) => Consent): Change {
  const known = new Map<Consent, Consent>();
  const own = new Map<DeviceKey, Consent>();
  for (const [device, consent] of state.own) {
    let next = known.get(consent);
    if (next === undefined) {
      next = become(consent);
      known.set(consent, next);
    }
    if (next !== consent) own.set(device, next);
  }
  return { ...state, own, general: state.general && become(state.general) };
}

export function holdOf({ ref, until, devices }: EventOf<"held">): LegalHold {
  return devices === undefined ? { ref, until } : { ref, until, devices };
}

function release(state: Building, ref: string | undefined): void {
  if (ref === undefined) state.holds.clear();
  else state.holds.delete(ref);
}
