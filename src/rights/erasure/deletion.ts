/** Finds all rows a store holds under a subject's names, deletes them, and verifies by query that they are gone. */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { PseudonymPurpose } from "../../model/purposes.ts";
import { liveNames } from "./names-ever-given.ts";
import type { ErasableSink, ErasureOptions, ErasurePorts } from "./ports.ts";
import type { ErasureRecord, ErasureRecords } from "./record.ts";

export interface DeletionParts {
  readonly options: ErasureOptions;
  readonly ports: ErasurePorts;
  readonly records: ErasureRecords;
}

/** Limits one call to a store, and how long placing a hold has to wait meanwhile. */
const NAMES_PER_CALL = 100;

/** False once a hold was placed, released or changed since the step began: the step then ends. */
export type GoOn = () => Promise<boolean>;

export interface StoredNames {
  readonly names: readonly Pseudonym[];
  /** No other name can have rows. */
  readonly complete: boolean;
}

/** The names under which rows can be stored. Throws as `namesOf`. */
export async function storedNames(record: ErasureRecord, parts: DeletionParts): Promise<StoredNames> {
  const { facts, wrappedSubjectKey } = record;
  const names = [...(await namesOf(record, parts, "analytics")), ...(await namesOf(record, parts, "place"))];
  // Without any consent there was no key and no name. Otherwise an empty list means the names cannot be computed.
  const nothing = facts.since === undefined && facts.unverified !== true;
  const opens = wrappedSubjectKey !== undefined && record.fields.unreadable === undefined;
  const known = opens && (names.length > 0 || facts.devices.length === 0);
  return { names, complete: nothing || (known && facts.keyLost !== true) };
}

/** Empty without a key: then there were no names. Throws SUBJECT_KEY_UNREADABLE, REDIS_UNAVAILABLE. */
export async function namesOf(
  record: ErasureRecord,
  { ports, records }: DeletionParts,
  purpose: PseudonymPurpose,
): Promise<Pseudonym[]> {
  const { facts, wrappedSubjectKey } = record;
  if (wrappedSubjectKey === undefined || record.fields.unreadable !== undefined) return [];
  return await liveNames({
    facts,
    wrappedSubjectKey,
    purpose,
    times: await records.times(),
    nowMs: ports.now(),
    keyring: ports.keyring,
  });
}

/**
 * `counted` is the field that stores the row count; the receipt adds up these fields. False when `goOn` ended it.
 * Throws SINK_UNAVAILABLE or SINK_DENIED, also while a query still finds rows.
 */
export async function deleteFrom(
  sink: ErasableSink,
  { names, complete }: StoredNames,
  counted: string,
  record: ErasureRecord,
  { records }: DeletionParts,
  { stop, goOn }: { readonly stop: AbortSignal; readonly goOn: GoOn },
): Promise<boolean> {
  const { name } = sink;
  if (names.length > 0 && (await sink.rowDelete(stop)) === "none") {
    await records.set(record, { [`method:${name}`]: "unlinkable", [`verified:${name}`]: 0 });
    return true;
  }
  const { rows, fault } = await countedIn(sink, names, stop);
  // Kept from the first attempt: a later one finds fewer rows.
  if (rows !== undefined) await records.setOnce(record, `${counted}:${name}`, rows);
  let verified = complete;
  for (const some of chunks(names)) {
    if (!(await goOn())) return false;
    verified = (await sink.removeDevices(some, stop)) === "verified" && verified;
    if (rows === undefined) await records.set(record, { [`uncounted:${name}`]: 1 });
  }
  // After a failed query nothing is claimed about a store before it was asked again.
  if (fault !== undefined && record.fields[`uncounted:${name}`] === undefined) throw fault;
  const method = complete ? "deleted" : "unlinkable";
  await records.set(record, { [`method:${name}`]: method, [`verified:${name}`]: Number(verified) });
  return true;
}

/** No `rows` when they cannot be counted: a store that is too slow to count may still delete, which matters more. */
async function countedIn(
  sink: ErasableSink,
  names: readonly Pseudonym[],
  stop: AbortSignal,
): Promise<{ readonly rows?: number; readonly fault?: GatewayError }> {
  let rows = 0;
  try {
    for (const some of chunks(names)) {
      const counted = await sink.countRows(some, stop);
      if (counted === undefined) return {};
      rows += counted;
    }
    return { rows };
  } catch (error) {
    if (!(error instanceof GatewayError) || !error.code.startsWith("SINK_")) throw error;
    return { fault: error };
  }
}

function* chunks(names: readonly Pseudonym[]): Generator<readonly Pseudonym[]> {
  for (let from = 0; from < names.length; from += NAMES_PER_CALL) yield names.slice(from, from + NAMES_PER_CALL);
}
