/**
 * The materialised decision as one short text in Redis. Decoding runs for every device of every
 * batch, so it scans by hand; whatever is not exactly what `encodeDecision` writes reads as no decision.
 *
 *   3|given|fence|expiresAt|policyVersion|grants|minor|guardian|held|revision|since|wrappedSubjectKey
 */
import { allOf, type ConsentState, type Decision } from "../../model/consent.ts";
import { PURPOSES } from "../../model/purposes.ts";

const FORMAT = "3|";
const SEPARATOR = 0x7c;
const ZERO = 0x30;
/** Digits a safe integer can have without a comparison at the end. */
const MAX_DIGITS = 15;
const MAX_GRANTS = allOf(PURPOSES);
const MAX_RECORD_LENGTH = 1024;

const STATES: ReadonlyMap<string, ConsentState> = new Map(
  (["given", "refused", "withdrawn", "expired", "requested"] as const).map((state) => [state, state]),
);

export function encodeDecision(decision: Decision): string {
  const { state, fence, expiresAt, policyVersion, grants, minor, guardianVerified, held } = decision;
  const flags = `${Number(minor)}|${Number(guardianVerified)}|${Number(held)}`;
  const { revision, since, wrappedSubjectKey } = decision;
  return `${FORMAT}${state}|${fence}|${expiresAt}|${policyVersion}|${grants}|${flags}|${revision}|${since}|${wrappedSubjectKey}`;
}

/** `undefined` for a missing or unreadable record: both mean deny. */
export function decodeDecision(text: string | null | undefined): Decision | undefined {
  if (!text || text.length > MAX_RECORD_LENGTH || !text.startsWith(FORMAT)) return undefined;
  const stateEnd = text.indexOf("|", FORMAT.length);
  const state = STATES.get(text.slice(FORMAT.length, stateEnd));
  if (stateEnd < 0 || state === undefined) return undefined;

  cursor = stateEnd + 1;
  const fence = nextNumber(text);
  const expiresAt = nextNumber(text);
  const policyVersion = nextNumber(text);
  const grants = nextNumber(text);
  const minor = nextNumber(text);
  const guardian = nextNumber(text);
  const held = nextNumber(text);
  const revision = nextNumber(text);
  // A field that could not be parsed is -1; the flags may only be 0 or 1.
  if (fence < 0 || expiresAt < 0 || policyVersion < 0 || revision < 0 || grants < 0 || grants > MAX_GRANTS)
    return undefined;
  if (minor >>> 1 !== 0 || guardian >>> 1 !== 0 || held >>> 1 !== 0) return undefined;

  const sinceEnd = text.indexOf("|", cursor);
  if (sinceEnd < 0) return undefined;
  // Needed only for a message admitted under an earlier revision, which is rare.
  const since = text.slice(cursor, sinceEnd);
  const wrappedSubjectKey = text.slice(sinceEnd + 1);
  if (wrappedSubjectKey === "" || wrappedSubjectKey.includes("|")) return undefined;
  return {
    state,
    fence,
    expiresAt,
    policyVersion,
    grants,
    minor: minor === 1,
    guardianVerified: guardian === 1,
    held: held === 1,
    revision,
    since,
    wrappedSubjectKey,
  };
}

/**
 * Position where `nextNumber` continues. Decoding never yields, so one cursor serves every call without an allocation.
 */
let cursor = 0;

/** The decimal number up to the next separator, without sign or leading zero; -1 when there is none. */
function nextNumber(text: string): number {
  const start = cursor;
  let value = 0;
  for (; cursor < text.length; cursor += 1) {
    const code = text.charCodeAt(cursor);
    if (code === SEPARATOR) break;
    const digit = code - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  const digits = cursor - start;
  if (digits === 0 || digits > MAX_DIGITS || cursor === text.length) return -1;
  if (digits > 1 && text.charCodeAt(start) === ZERO) return -1;
  cursor += 1;
  return value;
}
