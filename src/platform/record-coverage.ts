/**
 * What of sealed records consent covers now: each part of one with the state of the ledger under which it was admitted, as for a
 * message. What was withdrawn since then stays withdrawn for it.
 */
import { type CategoryMask, type CheckConsent, PURPOSE_USES, usable, type Verdict } from "../model/consent.ts";
import type { DeviceRef } from "../model/ids.ts";
import type { Purpose } from "../model/purposes.ts";
import { type KnownRecord, openedRecord } from "./known-records.ts";
import type { Replacement, SealedRecord, SealedRecords } from "./sealed-records.ts";

/** What is particular about records of one kind. */
export interface CoverageRules<Content, Part extends string> {
  readonly purpose: Purpose;
  /** Each part of a record, with the category of a person's data that it is. */
  readonly parts: Readonly<Record<Part, CategoryMask>>;
  /** The state of the ledger under which the part was admitted; `undefined` when the record has no such part. */
  revisionOf(record: Content, part: Part): number | undefined;
  /** Without the parts that are not among these; `undefined` when nothing is left, the same record when all of it is. */
  limitedTo(record: Content, parts: readonly Part[]): Content | undefined;
}

export interface Covered<Part extends string> {
  readonly parts: readonly Part[];
  /** State of the ledger at which that was found. */
  readonly revision: number;
  /** Nothing may be done with it, nor with the record. */
  readonly held: boolean;
}

export interface UncoveredPorts<Content> {
  readonly records: Pick<SealedRecords<Content>, "open">;
  readonly checkConsent: CheckConsent;
}

export class RecordCoverage<Content, Part extends string> {
  readonly #rules: CoverageRules<Content, Part>;
  readonly #parts: readonly Part[];

  constructor(rules: CoverageRules<Content, Part>) {
    this.#rules = rules;
    this.#parts = Object.keys(rules.parts) as Part[];
  }

  /** Whether the verdict lets anything of the device be used for the purpose. */
  readonly mayBeUsed = (verdict: Verdict | undefined): verdict is Verdict & { readonly refusal?: undefined } =>
    this.#grantedOf(verdict) !== 0;

  limitedTo(record: Content, parts: readonly Part[]): Content | undefined {
    return this.#rules.limitedTo(record, parts);
  }

  /** In the order asked. Rejects as `checkConsent` does. */
  async of(
    records: readonly { readonly device: DeviceRef; readonly record: Content }[],
    checkConsent: CheckConsent,
  ): Promise<Covered<Part>[]> {
    const asked: DeviceRef[] = [];
    const indexes = records.map(({ device, record }) => {
      const byRevision = new Map<number, number>();
      for (const part of this.#parts) {
        const revision = this.#rules.revisionOf(record, part);
        if (revision === undefined || byRevision.has(revision)) continue;
        byRevision.set(revision, asked.push({ ...device, revision }) - 1);
      }
      return byRevision;
    });
    const verdicts = await checkConsent(asked);
    return records.map(({ record }, index): Covered<Part> => {
      const byRevision = indexes[index] ?? new Map<number, number>();
      const verdictOf = (part: Part) => verdicts[byRevision.get(this.#rules.revisionOf(record, part) ?? -1) ?? -1];
      const all = this.#parts.map(verdictOf);
      return {
        parts: this.#parts.filter((part) => (this.#grantedOf(verdictOf(part)) & this.#rules.parts[part]) !== 0),
        revision: all.reduce((newest, verdict) => Math.max(newest, revisionOf(verdict)), 0),
        held: all.some((verdict) => verdict?.refusal === "legal-hold"),
      };
    });
  }

  /** Of these records, those that must go or become less, and what is left of each. */
  async uncovered(
    noted: readonly SealedRecord[],
    { records, checkConsent }: UncoveredPorts<Content>,
  ): Promise<Replacement<Content>[]> {
    const verdicts = await checkConsent(noted.map(({ device }) => device));
    const uncovered: Replacement<Content>[] = [];
    const open: KnownRecord<Content>[] = [];
    for (const [index, one] of noted.entries()) {
      const verdict = verdicts[index];
      const record = this.mayBeUsed(verdict) ? openedRecord(records, one, verdict.wrappedSubjectKey) : undefined;
      // Under a key that does not open nothing is told either.
      if (record === "unreadable") continue;
      if (record === undefined) uncovered.push({ device: one.device, was: one.sealed });
      else open.push({ ...one, record, wrappedSubjectKey: verdict?.wrappedSubjectKey ?? "" });
    }
    const covered = await this.of(open, checkConsent);
    for (const [index, { device, sealed: was, record, wrappedSubjectKey }] of open.entries()) {
      const content = this.#rules.limitedTo(record, covered[index]?.parts ?? []);
      if (content === undefined) uncovered.push({ device, was });
      else if (content !== record) uncovered.push({ device, was, record: { wrappedSubjectKey, content } });
    }
    return uncovered;
  }

  #grantedOf(verdict: Verdict | undefined): CategoryMask {
    if (verdict === undefined || verdict.refusal !== undefined) return 0;
    const { purpose } = this.#rules;
    return usable(verdict.grants, purpose, PURPOSE_USES[purpose]);
  }
}

function revisionOf(verdict: Verdict | undefined): number {
  return verdict === undefined || verdict.refusal !== undefined ? 0 : (verdict.revision ?? 0);
}
