/**
 * The names under which the store knows what a legal hold covers: those under the subject's key of today,
 * and those under a key that an erasure, waiting for the hold, has taken out of use.
 */
import type { LegalHold } from "../model/consent-record.ts";
import type { ErasureFacts } from "../model/erasure.ts";
import type { Pseudonym, SubjectTag } from "../model/ids.ts";
import type { ErasureRecord } from "./erasure-record.ts";
import { type LiveNamesInput, liveNames, type NameTimes } from "./live-names.ts";

export interface HeldNamesPorts extends Pick<LiveNamesInput, "pseudonym"> {
  heldSubjects(): Promise<readonly SubjectTag[]>;
  standing(tag: SubjectTag): Promise<readonly LegalHold[]>;
  /** What the ledger knows, and the key in use; no key when there is none. */
  facts(tag: SubjectTag): Promise<{ readonly facts: ErasureFacts; readonly wrappedSubjectKey: string | undefined }>;
  readonly erasures: {
    open(): Promise<readonly string[]>;
    read(id: string): Promise<ErasureRecord | undefined>;
    times(): Promise<NameTimes>;
  };
  /** Unix ms. */
  now(): number;
}

/** Throws CONSENT_UNREACHABLE, LEDGER_BROKEN, SUBJECT_KEY_UNREADABLE: then nothing may be deleted. */
export async function heldNames(ports: HeldNamesPorts): Promise<Pseudonym[]> {
  const tags = await ports.heldSubjects();
  if (tags.length === 0) return [];
  const times = await ports.erasures.times();
  const waiting = await Promise.all((await ports.erasures.open()).map((id) => ports.erasures.read(id)));
  const names = new Set<Pseudonym>();
  for (const tag of tags) {
    const covered = coveredBy(await ports.standing(tag));
    const sources = [await ports.facts(tag), ...waiting.filter((record) => record?.tag === tag)];
    for (const source of sources) {
      if (source?.wrappedSubjectKey === undefined) continue;
      const { wrappedSubjectKey, facts } = source;
      const devices = facts.devices.filter((device) => covered === undefined || covered.has(device));
      const input = { ...ports, facts: { ...facts, devices }, wrappedSubjectKey, times, nowMs: ports.now() };
      for (const name of await liveNames({ ...input, purpose: "analytics" })) names.add(name);
    }
  }
  return [...names];
}

/** `undefined` when one of the holds covers everything. */
function coveredBy(holds: readonly LegalHold[]): ReadonlySet<string> | undefined {
  if (holds.some(({ devices }) => devices === undefined)) return undefined;
  return new Set(holds.flatMap(({ devices }) => devices ?? []));
}
