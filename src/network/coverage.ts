/** What of a record consent covers now: each part with the state of the ledger under which it was admitted, as for a message. */
import { type CategoryMask, type CheckConsent, IP, MODEL, usable, type Verdict } from "../model/consent.ts";
import type { DeviceRef } from "../model/ids.ts";
import { NETWORK_PARTS, type NetworkNote, type NetworkPart } from "../model/network.ts";
import { type KnownRecord, openedRecord } from "../platform/known-records.ts";
import type { Replacement, SealedRecord, SealedRecords } from "../platform/sealed-records.ts";
import { only } from "./record.ts";

export interface Covered {
  readonly parts: readonly NetworkPart[];
  /** State of the ledger at which that was found. */
  readonly revision: number;
  /** Nothing may be done with it, nor with the record. */
  readonly held: boolean;
}

const CATEGORY: Readonly<Record<NetworkPart, CategoryMask>> = { model: MODEL, ipPrefix: IP };

/** Whether the verdict lets anything of the device be told to network services. */
export function mayBeTold(verdict: Verdict | undefined): verdict is Verdict & { readonly refusal?: undefined } {
  return grantedOf(verdict) !== 0;
}

/** In the order asked. Rejects as `checkConsent` does. */
export async function coverageOf(
  records: readonly { readonly device: DeviceRef; readonly record: NetworkNote }[],
  checkConsent: CheckConsent,
): Promise<Covered[]> {
  const asked: DeviceRef[] = [];
  const indexes = records.map(({ device, record }) => {
    const byRevision = new Map<number, number>();
    for (const part of NETWORK_PARTS) {
      const revision = record[part]?.revision;
      if (revision === undefined || byRevision.has(revision)) continue;
      byRevision.set(revision, asked.push({ ...device, revision }) - 1);
    }
    return byRevision;
  });
  const verdicts = await checkConsent(asked);
  return records.map(({ record }, index): Covered => {
    const byRevision = indexes[index] ?? new Map<number, number>();
    const verdictOf = (part: NetworkPart) => verdicts[byRevision.get(record[part]?.revision ?? -1) ?? -1];
    const all = NETWORK_PARTS.map(verdictOf);
    return {
      parts: NETWORK_PARTS.filter((part) => (grantedOf(verdictOf(part)) & CATEGORY[part]) !== 0),
      revision: all.reduce((newest, verdict) => Math.max(newest, revisionOf(verdict)), 0),
      held: all.some((verdict) => verdict?.refusal === "legal-hold"),
    };
  });
}

export interface UncoveredPorts {
  readonly records: Pick<SealedRecords<NetworkNote>, "open">;
  readonly checkConsent: CheckConsent;
}

/** Of these records, those that must go or become less, and what is left of each. */
export async function uncoveredOf(
  noted: readonly SealedRecord[],
  { records, checkConsent }: UncoveredPorts,
): Promise<Replacement<NetworkNote>[]> {
  const verdicts = await checkConsent(noted.map(({ device }) => device));
  const uncovered: Replacement<NetworkNote>[] = [];
  const open: KnownRecord<NetworkNote>[] = [];
  for (const [index, one] of noted.entries()) {
    const verdict = verdicts[index];
    const record = mayBeTold(verdict) ? openedRecord(records, one, verdict.wrappedSubjectKey) : undefined;
    // Under a key that does not open nothing is told either.
    if (record === "unreadable") continue;
    if (record === undefined) uncovered.push({ device: one.device, was: one.sealed });
    else open.push({ ...one, record, wrappedSubjectKey: verdict?.wrappedSubjectKey ?? "" });
  }
  const covered = await coverageOf(open, checkConsent);
  for (const [index, { device, sealed: was, record, wrappedSubjectKey }] of open.entries()) {
    const content = only(record, covered[index]?.parts ?? []);
    if (content === undefined) uncovered.push({ device, was });
    else if (content !== record) uncovered.push({ device, was, record: { wrappedSubjectKey, content } });
  }
  return uncovered;
}

function grantedOf(verdict: Verdict | undefined): CategoryMask {
  return verdict === undefined || verdict.refusal !== undefined ? 0 : usable(verdict.grants, "network", MODEL | IP);
}

function revisionOf(verdict: Verdict | undefined): number {
  return verdict === undefined || verdict.refusal !== undefined ? 0 : (verdict.revision ?? 0);
}
