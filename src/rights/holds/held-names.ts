/**
 * The names in the store of everything under a legal hold: those under the subject's current key, and those under a key
 * that an erasure, waiting for the hold, has retired.
 */
import type { LegalHold } from "../../model/consent-record.ts";
import { damageIn, type TellDamage } from "../../model/damage.ts";
import type { ErasureFacts } from "../../model/erasure.ts";
import type { Pseudonym, SubjectTag } from "../../model/ids.ts";
import { type LiveNamesInput, type NameTimes, rowNames } from "../erasure/names-ever-given.ts";
import type { ErasureRecord } from "../erasure/record.ts";
import type { HeldSubjects } from "./held-subjects.ts";

export interface HeldNamesPorts extends Pick<LiveNamesInput, "keyring"> {
  readonly holds: Pick<HeldSubjects, "all" | "standing">;
  /** What the ledger knows, and the current key; no key when there is none. */
  facts(tag: SubjectTag): Promise<{ readonly facts: ErasureFacts; readonly wrappedSubjectKey: string | undefined }>;
  readonly erasures: {
    open(): Promise<readonly string[]>;
    read(id: string): Promise<ErasureRecord | undefined>;
    times(): Promise<NameTimes>;
  };
  /** Whether a key that does not unwrap may be intact, because none unwraps. Absent: always. */
  keyIsWhole?(wrappedSubjectKey: string): Promise<boolean>;
  readonly damaged?: TellDamage;
  /** Unix ms. */
  now(): number;
  /** Only names under which rows can stand that are older, Unix ms; absent: all. */
  readonly rowsBeforeMs?: number;
}

/**
 * One held subject's damage must not keep other subjects' rows forever: rows under a key that does not unwrap cannot be
 * attributed. Throws REDIS_UNAVAILABLE, and SUBJECT_KEY_UNREADABLE when the master key may be wrong: then nothing may
 * be deleted.
 */
export async function heldNames(ports: HeldNamesPorts): Promise<Pseudonym[]> {
  const tags = await ports.holds.all();
  if (tags.length === 0) return [];
  const times = await ports.erasures.times();
  const waiting = await Promise.all((await ports.erasures.open()).map((id) => ports.erasures.read(id)));
  const names = new Set<Pseudonym>();
  for (const tag of tags) {
    const covered = coveredBy(await ports.holds.standing(tag));
    const known = await ports.facts(tag);
    const sources = [known, ...waiting.filter((record) => record?.tag === tag)];
    for (const source of sources) {
      if (source?.wrappedSubjectKey === undefined) continue;
      const { wrappedSubjectKey } = source;
      // For a damaged record the ledger knows the devices, but not the start.
      const facts = isDamaged(source) ? { ...known.facts, since: 0 } : source.facts;
      const devices = facts.devices.filter((device) => covered === undefined || covered.has(device));
      const input = { ...ports, facts: { ...facts, devices }, wrappedSubjectKey, times, nowMs: ports.now() };
      for (const name of await namesUnder(ports, input)) names.add(name);
    }
  }
  return [...names];
}

async function namesUnder(ports: HeldNamesPorts, input: Omit<LiveNamesInput, "purpose">): Promise<Pseudonym[]> {
  try {
    return await rowNames(input);
  } catch (error) {
    if (damageIn(error) !== "subject-key") throw error;
    if ((await ports.keyIsWhole?.(input.wrappedSubjectKey)) ?? true) throw error;
    ports.damaged?.("subject-key");
    return [];
  }
}

function isDamaged(source: object): boolean {
  return "damaged" in source && source.damaged === true;
}

/** `undefined` when one of the holds covers everything. */
function coveredBy(holds: readonly LegalHold[]): ReadonlySet<string> | undefined {
  if (holds.some(({ devices }) => devices === undefined)) return undefined;
  return new Set(holds.flatMap(({ devices }) => devices ?? []));
}
