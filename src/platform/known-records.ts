/**
 * The sealed records that may be used now, opened. Those that may not are forgotten; those under a hold stay as they are and are
 * not looked into.
 */
import { setImmediate as otherWork } from "node:timers/promises";
import type { CheckConsent, Verdict } from "../model/consent.ts";
import { damageIn } from "../model/damage.ts";
import type { Spared } from "../model/letters.ts";
import type { SealedRecord, SealedRecords } from "./sealed-records.ts";

/** A record that may be used. */
export interface KnownRecord<Content> extends SealedRecord {
  readonly wrappedSubjectKey: string;
  readonly record: Content;
}

export interface KnownRecordsPorts<Content> {
  readonly records: Pick<SealedRecords<Content>, "all" | "open" | "replace">;
  readonly checkConsent: CheckConsent;
  /** Devices under a legal hold: it freezes deletion too. */
  readonly held: () => Promise<Spared>;
}

export interface Usable<Content> {
  readonly mayBeUsed: (verdict: Verdict | undefined) => verdict is Verdict & { readonly refusal?: undefined };
  /** Whether it is new enough to be kept. */
  readonly isKept: (record: Content) => boolean;
}

const OPENED_PER_TURN = 100;

/** Each once. Throws REDIS_UNAVAILABLE. */
export async function knownRecords<Content>(
  ports: KnownRecordsPorts<Content>,
  usable: Usable<Content>,
): Promise<KnownRecord<Content>[]> {
  const known = new Map<string, KnownRecord<Content>>();
  for await (const page of knownPages(ports, usable)) {
    for (const one of page) known.set(`${one.device.subjectTag} ${one.device.deviceKey}`, one);
  }
  return [...known.values()];
}

/** The same page by page; one that changes meanwhile may come twice. */
export async function* knownPages<Content>(
  { records, checkConsent, held }: KnownRecordsPorts<Content>,
  { mayBeUsed, isKept }: Usable<Content>,
): AsyncGenerator<readonly KnownRecord<Content>[]> {
  let opened = 0;
  for await (const page of records.all()) {
    const verdicts = await checkConsent(page.map(({ device }) => device));
    const useless: SealedRecord[] = [];
    const known: KnownRecord<Content>[] = [];
    for (const [index, one] of page.entries()) {
      const verdict = verdicts[index];
      if (!mayBeUsed(verdict)) {
        useless.push(one);
        continue;
      }
      const { wrappedSubjectKey } = verdict;
      const record = openedRecord(records, one, wrappedSubjectKey);
      if (record === "unreadable") continue;
      if (record !== undefined && isKept(record)) known.push({ ...one, wrappedSubjectKey, record });
      else useless.push(one);
      opened += 1;
      if (opened % OPENED_PER_TURN === 0) await otherWork();
    }
    if (useless.length > 0) {
      const spared = await held();
      const gone = useless.filter(({ device }) => !spared(device));
      await records.replace(gone.map(({ device, sealed }) => ({ device, was: sealed })));
    }
    yield known;
  }
}

/** With a wrong master key no subject's key opens: nothing is forgotten for that. */
export function openedRecord<Content>(
  records: Pick<SealedRecords<Content>, "open">,
  one: SealedRecord,
  wrappedSubjectKey: string,
): Content | undefined | "unreadable" {
  try {
    return records.open(one, wrappedSubjectKey);
  } catch (error) {
    if (damageIn(error) !== "subject-key") throw error;
    return "unreadable";
  }
}
