/**
 * Since when each grant of a device has held without a break. A message may be used only for what was granted when it
 * was admitted and at all times since: a later consent does not restore what was withdrawn while it waited in the
 * queue.
 */
import type { Grants } from "../../model/consent.ts";

/** Bits granted at the same revision of the ledger and held since. */
export interface GrantedSince {
  readonly revision: number;
  readonly bits: Grants;
}

/** Of a device: its grants, and since when, at one revision of the ledger. */
export interface History {
  readonly since: readonly GrantedSince[];
  readonly revision: number;
}

/** `since` updated for the grants `bits`: lost grants are removed, new ones hold from `revision` on. */
export function continued(since: readonly GrantedSince[], bits: Grants, revision: number): readonly GrantedSince[] {
  const kept: GrantedSince[] = [];
  let fresh = bits;
  for (const one of since) {
    const held = one.bits & bits;
    fresh &= ~held;
    if (held !== 0) kept.push(held === one.bits ? one : { ...one, bits: held });
  }
  if (fresh !== 0) kept.push({ revision, bits: fresh });
  return kept;
}

/**
 * Since when a device's grants hold if it follows the general statement since its history's revision: what both grant
 * without a break continues, later grants are as old as in the general statement.
 */
export function followed(history: History, general: readonly GrantedSince[]): readonly GrantedSince[] {
  let lasting = 0;
  const later: GrantedSince[] = [];
  for (const one of general) {
    if (one.revision > history.revision) later.push(one);
    else lasting |= one.bits;
  }
  return [...continued(history.since, lasting, history.revision), ...later];
}

/** `revision.bits`, joined by commas; at most one of them for each bit. */
export function encodeSince(since: readonly GrantedSince[]): string {
  return since.map(({ revision, bits }) => `${revision}.${bits}`).join(",");
}

const GROUP = /^(\d{1,15})\.(\d{1,5})$/;

/** The grants of an encoded list that have held since `revision` or longer; none when it cannot be read. */
export function heldSince(encoded: string, revision: number): Grants {
  let grants: Grants = 0;
  for (const text of encoded.split(",")) {
    const [, began, bits] = GROUP.exec(text) ?? [];
    if (began === undefined || bits === undefined) return 0;
    if (Number(began) <= revision) grants |= Number(bits);
  }
  return grants;
}
