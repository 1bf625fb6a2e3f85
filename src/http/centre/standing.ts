/** What of a consent record holds at a moment, for all devices or for one. Pure. */
import type { Standing } from "../../model/centre.ts";
import { CATEGORIES, type Category, type PolicyFloors, PURPOSES, type Purpose } from "../../model/consent.ts";
import { type ConsentEvent, type ConsentRecord, isConsent } from "../../model/consent-record.ts";
import type { DeviceKey } from "../../model/ids.ts";
import type { PolicyDocument } from "../../model/policy-document.ts";

type Statement = NonNullable<ConsentRecord["consent"]>;
type Choice = Partial<Record<Purpose, Category[]>>;

const NOTHING: Standing = { state: "none", used: {}, waiting: {}, suspended: [] };

/** `minor`: whoever asks takes them for one, also where the record does not say so yet. */
export function standingOf(
  record: ConsentRecord,
  statement: Statement | undefined,
  { floors, now, minor }: { readonly floors: PolicyFloors; readonly now: number; readonly minor: boolean },
): Standing {
  if (statement === undefined) return NOTHING;
  const { at, expiresAt, policyVersion } = statement;
  const expired = statement.state === "given" && expiresAt <= now;
  if (statement.state !== "given" || expired) {
    // What was asked for and not answered is as good as nothing.
    const state = statement.state === "requested" ? "none" : statement.state;
    return { ...NOTHING, state: expired ? "expired" : state, at, policyVersion };
  }
  const given: Choice = Object.fromEntries(statement.purposes.map(({ id, categories }) => [id, [...categories]]));
  // A minor's data are never analysed, guardian or not.
  if (minor) delete given.analytics;
  const terms = { at, expiresAt, policyVersion };
  if (minor && !approvedByGuardian(record.events, statement.recordId)) {
    return { ...NOTHING, ...terms, state: "unapproved", waiting: given };
  }
  const suspended = PURPOSES.filter((purpose) => given[purpose] !== undefined && policyVersion < floors[purpose]);
  return {
    ...terms,
    state: "given",
    used: only(given, (purpose) => !suspended.includes(purpose)),
    waiting: only(given, (purpose) => suspended.includes(purpose)),
    suspended,
  };
}

/**
 * What would be stated if this were agreed to on top of what is used now. What is used and no longer offered
 * is left out: the newest policy cannot be agreed to for it.
 */
export function withMore(standing: Standing, more: Choice, offers: PolicyDocument["purposes"]): Choice {
  const all: Choice = {};
  for (const purpose of PURPOSES) {
    const offered = offers[purpose]?.categories ?? [];
    const used = (standing.used[purpose] ?? []).filter((category) => offered.includes(category));
    const wanted = new Set([...used, ...(more[purpose] ?? [])]);
    if (wanted.size > 0) all[purpose] = CATEGORIES.filter((category) => wanted.has(category));
  }
  return all;
}

/** Every device that ever was the subject's, in the order in which each first was: its number is its place, from 1. */
export function devicesEver(record: ConsentRecord): DeviceKey[] {
  return [...new Set(record.events.flatMap((event) => (event.type === "bound" ? [event.device] : [])))];
}

/** The latest erasure that was asked for. */
export function latestErasure(record: ConsentRecord): Extract<ConsentEvent, { type: "erasure-requested" }> | undefined {
  return record.events.findLast((event) => event.type === "erasure-requested");
}

function only(choice: Choice, which: (purpose: Purpose) => boolean): Choice {
  return Object.fromEntries(Object.entries(choice).filter(([purpose]) => which(purpose as Purpose)));
}

/** A verification on file does not approve what the child alone states later. */
function approvedByGuardian(events: readonly ConsentEvent[], recordId: string): boolean {
  let verified = false;
  for (const event of events) {
    if (!isConsent(event) && event.type !== "refused" && event.type !== "requested") continue;
    verified = event.guardian?.verified ?? verified;
    if (event.recordId === recordId) return verified && (event.guardian !== undefined || event.by === "guardian");
  }
  return false;
}
