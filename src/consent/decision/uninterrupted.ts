/**
 * Since when each grant of a device has held without a break. A message may be used only for what was
 * granted when it was admitted and has been ever since: what was withdrawn while it waited in the queue
 * does not come back to it with a later consent.
 */
import type { Grants } from "../../model/consent.ts";

/** Bits that came at the same revision of the ledger and have held since. */
export interface GrantedSince {
  readonly revision: number;
  readonly bits: Grants;
}

/** Of a device: what had held, and since when, at a revision of the ledger. */
export interface History {
  readonly since: readonly GrantedSince[];
  readonly revision: number;
}

/** What holds of `since` once the grants are `bits`: what is lost goes, what is new holds from `revision` on. */
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
 * Since when the grants hold of a device that has gone by the general statement since the revision of its
 * history: what that one has granted ever since goes on, what it granted later is as old as it is there.
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
