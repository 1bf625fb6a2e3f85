/** Finds everything a store holds under a subject's names, deletes it, and makes sure by query that it is gone. */
import type { Pseudonym } from "../model/ids.ts";
import type { ErasableSink, ErasureOptions, ErasurePorts } from "./erasure-ports.ts";
import type { ErasureRecord, ErasureRecords } from "./erasure-record.ts";
import { liveNames, type NamedPurpose } from "./live-names.ts";

export interface DeletionParts {
  readonly options: ErasureOptions;
  readonly ports: ErasurePorts;
  readonly records: ErasureRecords;
}

/** Bounds one call to a store, and how long a hold that is placed meanwhile waits. */
const NAMES_PER_CALL = 100;

/** False once a hold was placed, released or changed since the step began: whatever is under way ends then. */
export type GoOn = () => Promise<boolean>;

/** The names under which rows can be stored. Throws as `namesOf`. */
export async function storedNames(record: ErasureRecord, parts: DeletionParts): Promise<Pseudonym[]> {
  return record.facts.purposes.includes("analytics") ? await namesOf(record, parts, "analytics") : [];
}

/** Nothing without a key: then there were no names. Throws SUBJECT_KEY_UNREADABLE, CONSENT_UNREACHABLE. */
export async function namesOf(
  record: ErasureRecord,
  { ports, records }: DeletionParts,
  purpose: NamedPurpose,
): Promise<Pseudonym[]> {
  const { facts, wrappedSubjectKey } = record;
  if (wrappedSubjectKey === undefined || record.fields.unreadable !== undefined) return [];
  const { pseudonym } = ports;
  return await liveNames({
    facts,
    wrappedSubjectKey,
    purpose,
    times: await records.times(),
    nowMs: ports.now(),
    pseudonym: (key, device, of, epoch) => pseudonym(key, device, of, epoch),
  });
}

/**
 * `counted` names the field that keeps how many rows were there; the receipt adds them up. False when `goOn` ended it.
 * Throws SINK_UNAVAILABLE or SINK_DENIED, also while a query still finds something.
 */
export async function deleteFrom(
  sink: ErasableSink,
  names: readonly Pseudonym[],
  counted: string,
  record: ErasureRecord,
  { records }: DeletionParts,
  { stop, goOn }: { readonly stop: AbortSignal; readonly goOn: GoOn },
): Promise<boolean> {
  const { name } = sink;
  // Of a record that cannot be verified nobody can say that there was no key; under one that does not open nobody can look.
  const nameless =
    record.fields.unreadable !== undefined ||
    (record.facts.unverified === true && record.wrappedSubjectKey === undefined);
  if (nameless || (names.length > 0 && (await sink.ability()) === "none")) {
    await records.set(record, { [`method:${name}`]: "unlinkable", [`verified:${name}`]: 0 });
    return true;
  }
  let rows = 0;
  for (const some of chunks(names)) rows += (await sink.countRows(some, stop)) ?? 0;
  // Kept from the first attempt: a later one finds less.
  await records.setOnce(record, `${counted}:${name}`, rows);
  let verified = true;
  for (const some of chunks(names)) {
    if (!(await goOn())) return false;
    verified = (await sink.removeDevices(some, stop)) === "verified" && verified;
  }
  await records.set(record, { [`method:${name}`]: "deleted", [`verified:${name}`]: Number(verified) });
  return true;
}

function* chunks(names: readonly Pseudonym[]): Generator<readonly Pseudonym[]> {
  for (let from = 0; from < names.length; from += NAMES_PER_CALL) yield names.slice(from, from + NAMES_PER_CALL);
}
