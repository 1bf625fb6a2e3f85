/** Reads erasure journals for a restore. Any line that does not verify stops it: a gap may hide an erasure. */
import { open, stat } from "node:fs/promises";
import type { AuditHead } from "../../model/audit.ts";
import type { LegalHold, PartyStatement } from "../../model/consent-record.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { JournalHead } from "../../model/journal-head.ts";
import { isAuthentic, type JournalEntry, type JournalLine, journalKey, lastLineOf, readStretch } from "./format.ts";
import { NotedHeads } from "./noted-heads.ts";

export interface JournalErasure {
  /** Unix ms of the last line about it. */
  readonly at: number;
  /** Whether the key is destroyed, or was about to be. */
  readonly destroyed: boolean;
}

export interface Narrowed {
  readonly at: number;
  readonly fence: number;
}

/** A hold as it stood from `at` on; without terms it had ended. */
export interface JournalHold {
  readonly at: number;
  readonly ref: string;
  readonly hold: LegalHold | undefined;
}

export interface JournalParty {
  readonly at: number;
  readonly party: PartyStatement;
}

export interface JournalToken {
  readonly at: number;
  readonly mac: string;
  /** 0 in older lines without numbers. */
  readonly number: number;
}

export interface JournalService {
  readonly at: number;
  readonly hash: string;
  readonly revision: number;
}

/** What happened at or after a given time. */
export interface JournalReading {
  readonly entries: number;
  /** Lines cut short by a crash; they were never confirmed. */
  readonly torn: number;
  /** By subject and id. */
  readonly erasures: ReadonlyMap<SubjectTag, ReadonlyMap<string, JournalErasure>>;
  readonly narrowed: ReadonlyMap<SubjectTag, readonly Narrowed[]>;
  readonly holds: ReadonlyMap<SubjectTag, readonly JournalHold[]>;
  readonly parties: ReadonlyMap<SubjectTag, readonly JournalParty[]>;
  /** The token issued last. */
  readonly tokens: ReadonlyMap<DeviceKey, JournalToken>;
  /** By name: each registered service as it was changed last. */
  readonly services: ReadonlyMap<string, JournalService>;
  /** Highest policy version published; 0 for none. */
  readonly policyVersion: number;
  /** What the audit log must contain, whenever it was recorded. */
  readonly audited: readonly AuditHead[];
  /** End of the last restore, Unix ms; 0 for never. */
  readonly restoredAt: number;
}

export interface JournalQuestion {
  readonly key: Buffer;
  /** Unix ms; earlier lines are verified but left out. */
  readonly sinceMs: number;
  /** Lines that must be present: the journal heads when a backup was taken. */
  readonly anchors: readonly JournalHead[];
}

/** Some thousand lines; a loss of more than that shows in the heads of the audit log. */
const END_BYTES = 1 << 20;

interface Gathered {
  restoredAt: number;
  entries: number;
  torn: number;
  readonly erasures: Map<SubjectTag, Map<string, JournalErasure>>;
  readonly narrowed: Map<SubjectTag, Narrowed[]>;
  readonly holds: Map<SubjectTag, JournalHold[]>;
  readonly parties: Map<SubjectTag, JournalParty[]>;
  readonly tokens: Map<DeviceKey, JournalToken>;
  readonly services: Map<string, JournalService>;
  policyVersion: number;
  readonly heads: NotedHeads;
}

/**
 * Throws JOURNAL_INVALID: missing (no such file), altered (a line does not verify), gap (a line is out of place, or its
 * predecessor is gone), cut (what a backup knew is not there).
 */
export async function readJournals(
  files: readonly string[],
  { key, sinceMs, anchors }: JournalQuestion,
): Promise<JournalReading> {
  const found = nothing();
  const runs = new Map<string, number>();
  for (const file of files) {
    let first = true;
    for await (const line of linesOf(file, key, { torn: () => (found.torn += 1), altered: refuseAltered })) {
      follow(line, runs, first);
      first = false;
      const [, , at, entry] = line;
      take(found, entry, at, sinceMs);
    }
  }
  // A number in a run stands for one line only: no one without the key can make its MAC.
  if (anchors.some(([run, number]) => (runs.get(run) ?? 0) <= number)) throw new GatewayError("JOURNAL_INVALID", "cut");
  return { ...found, audited: found.heads.all };
}

/**
 * Reads the end of a journal, and of it only what came after the last restore: what Redis must know now. A restore
 * checks that nothing is missing; here a line that does not verify is counted and ignored. Empty when there is no such
 * file.
 */
export async function readJournalEnd(
  file: string,
  key: Buffer,
  bytes = END_BYTES,
): Promise<JournalReading & { readonly altered: number }> {
  let found = nothing();
  let altered = 0;
  const size = await stat(file).then(
    (stats) => stats.size,
    () => 0,
  );
  const ports = { torn: () => undefined, altered: () => (altered += 1), start: Math.max(0, size - bytes) };
  for await (const [, , at, entry] of size === 0 ? [] : linesOf(file, key, ports)) {
    if (entry.what === "restored") found = nothing();
    take(found, entry, at, 0);
  }
  return { ...found, audited: found.heads.all, altered };
}

/** The head of a journal that no process is writing; `undefined` when there is none. Throws JOURNAL_INVALID. */
export async function journalHeadOf(file: string, lookupKey: Buffer): Promise<JournalHead | undefined> {
  const handle = await open(file, "r").catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const last = await lastLineOf(handle);
    if (last === undefined) return undefined;
    if (!isAuthentic(last, journalKey(lookupKey))) throw new GatewayError("JOURNAL_INVALID", "altered");
    return [last[0], last[1], last[4]];
  } finally {
    await handle.close();
  }
}

interface LinePorts {
  readonly torn: () => void;
  /** Called for a line that does not verify. */
  readonly altered: () => void;
  /** Byte from which the file is read; the line it falls into is left out. */
  readonly start?: number;
}

function refuseAltered(): never {
  throw new GatewayError("JOURNAL_INVALID", "altered");
}

async function* linesOf(file: string, key: Buffer, ports: LinePorts): AsyncGenerator<JournalLine> {
  const { start = 0, torn, altered } = ports;
  const handle = await open(file, "r").catch(() => {
    throw new GatewayError("JOURNAL_INVALID", "missing");
  });
  try {
    let beheaded = start > 0;
    for await (const text of handle.readLines({ start })) {
      const cut = beheaded;
      beheaded = false;
      if (cut) continue;
      const stretch = readStretch(text);
      // That an incomplete line hides no other is checked by the numbers around it, see `follow`.
      if (stretch?.torn) torn();
      const line = stretch?.line;
      if (stretch === undefined || (line !== undefined && !isAuthentic(line, key))) altered();
      else if (line !== undefined) yield line;
    }
  } finally {
    await handle.close();
  }
}

/** Each line follows the previous one of its run, and each run follows a line before it in the file. */
function follow([run, number, , entry]: JournalLine, runs: Map<string, number>, first: boolean): void {
  const opens = entry.what === "opened";
  let joined = opens === (number === 0) && number === (runs.get(run) ?? 0);
  if (opens && entry.after === undefined) joined &&= first;
  if (opens && entry.after !== undefined) joined &&= (runs.get(entry.after[0]) ?? 0) > entry.after[1];
  if (!joined) throw new GatewayError("JOURNAL_INVALID", "gap");
  runs.set(run, number + 1);
}

type HeadEntry = Extract<JournalEntry, { what: "audited" } | { what: "restored" } | { what: "repaired" }>;

function nothing(): Gathered {
  return {
    restoredAt: 0,
    entries: 0,
    torn: 0,
    erasures: new Map(),
    narrowed: new Map(),
    holds: new Map(),
    parties: new Map(),
    tokens: new Map(),
    services: new Map(),
    policyVersion: 0,
    heads: new NotedHeads(),
  };
}

/** Heads of any time, everything else from a given time on. */
function take(found: Gathered, entry: JournalEntry, at: number, sinceMs: number): void {
  if (entry.what !== "audited" && entry.what !== "restored" && entry.what !== "repaired") {
    if (at >= sinceMs) gather(found, entry, at);
    return;
  }
  found.heads.add(entry, at);
  if (entry.what === "restored") found.restoredAt = Math.max(found.restoredAt, at);
}

function gather(found: Gathered, entry: Exclude<JournalEntry, HeadEntry>, at: number): void {
  switch (entry.what) {
    case "opened":
      return;
    case "erasure-asked":
    case "erased": {
      const ofSubject = found.erasures.get(entry.tag) ?? new Map<string, JournalErasure>();
      const destroyed = entry.what === "erased" || ofSubject.get(entry.erasure)?.destroyed === true;
      found.erasures.set(entry.tag, ofSubject.set(entry.erasure, { at, destroyed }));
      break;
    }
    case "narrowed":
      append(found.narrowed, entry.tag, { at, fence: entry.fence });
      break;
    case "held":
      append(found.holds, entry.tag, { at, ref: entry.hold.ref, hold: entry.hold });
      break;
    case "released":
      append(found.holds, entry.tag, { at, ref: entry.ref, hold: undefined });
      break;
    case "minority": {
      const { minor, guardian } = entry;
      append(found.parties, entry.tag, { at, party: guardian === undefined ? { minor } : { minor, guardian } });
      break;
    }
    case "token-issued": {
      const { device, mac, number = 0 } = entry;
      const known = found.tokens.get(device);
      // With several journals the lines come in any order.
      if (known === undefined || number > known.number || (number === known.number && at >= known.at))
        found.tokens.set(device, { at, mac, number });
      break;
    }
    case "service-changed": {
      const { service, hash, revision } = entry;
      const known = found.services.get(service);
      if (known === undefined || revision >= known.revision) found.services.set(service, { at, hash, revision });
      break;
    }
    case "policy-published":
      found.policyVersion = Math.max(found.policyVersion, entry.version);
      break;
  }
  found.entries += 1;
}

function append<T>(to: Map<SubjectTag, T[]>, tag: SubjectTag, value: T): void {
  const values = to.get(tag);
  if (values === undefined) to.set(tag, [value]);
  else values.push(value);
}
