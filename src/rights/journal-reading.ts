/** Reads erasure journals back for a restore. Whatever does not verify stops it: a gap may hide an erasure. */
import { open } from "node:fs/promises";
import type { AuditHead } from "../model/audit.ts";
import type { LegalHold, PartyStatement } from "../model/consent-record.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import {
  isAuthentic,
  type JournalEntry,
  type JournalHead,
  type JournalLine,
  journalKey,
  lastLineOf,
  readStretch,
} from "./journal-format.ts";
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

/** What happened at or after a moment. */
export interface JournalReading {
  readonly entries: number;
  /** Lines a crash cut short; nobody was told that they counted. */
  readonly torn: number;
  /** By subject and id. */
  readonly erasures: ReadonlyMap<SubjectTag, ReadonlyMap<string, JournalErasure>>;
  readonly narrowed: ReadonlyMap<SubjectTag, readonly Narrowed[]>;
  readonly holds: ReadonlyMap<SubjectTag, readonly JournalHold[]>;
  readonly parties: ReadonlyMap<SubjectTag, readonly JournalParty[]>;
  /** MAC of the token issued last. */
  readonly tokens: ReadonlyMap<DeviceKey, string>;
  /** Highest policy version published; 0 for none. */
  readonly policyVersion: number;
  /** What the audit log must contain, whenever it was noted. */
  readonly audited: readonly AuditHead[];
}

export interface JournalQuestion {
  readonly key: Buffer;
  /** Unix ms; what happened before is verified and left out. */
  readonly sinceMs: number;
  /** Lines that must be there: how far the journals had got when a backup was taken. */
  readonly anchors: readonly JournalHead[];
}

interface Gathered {
  entries: number;
  torn: number;
  readonly erasures: Map<SubjectTag, Map<string, JournalErasure>>;
  readonly narrowed: Map<SubjectTag, Narrowed[]>;
  readonly holds: Map<SubjectTag, JournalHold[]>;
  readonly parties: Map<SubjectTag, JournalParty[]>;
  readonly tokens: Map<DeviceKey, string>;
  policyVersion: number;
  readonly heads: NotedHeads;
}

/**
 * Throws JOURNAL_INVALID: missing (a file that is not there), altered (a line that does not verify), gap (a
 * line is not where it was, or what stood before it is gone), cut (what a backup knew of is not there).
 */
export async function readJournals(
  files: readonly string[],
  { key, sinceMs, anchors }: JournalQuestion,
): Promise<JournalReading> {
  const found: Gathered = {
    entries: 0,
    torn: 0,
    erasures: new Map(),
    narrowed: new Map(),
    holds: new Map(),
    parties: new Map(),
    tokens: new Map(),
    policyVersion: 0,
    heads: new NotedHeads(),
  };
  const runs = new Map<string, number>();
  for (const file of files) {
    let first = true;
    for await (const line of linesOf(file, key, () => (found.torn += 1))) {
      follow(line, runs, first);
      first = false;
      const [, , at, entry] = line;
      if (entry.what === "audited" || entry.what === "restored") found.heads.add(entry, at);
      else if (at >= sinceMs) gather(found, entry, at);
    }
  }
  // A number in a run stands for one line only: nobody else can make its MAC.
  if (anchors.some(([run, number]) => (runs.get(run) ?? 0) <= number)) throw new GatewayError("JOURNAL_INVALID", "cut");
  return { ...found, audited: found.heads.all };
}

/** How far a journal has got that no process of ours is writing; `undefined` when there is none. Throws JOURNAL_INVALID. */
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

async function* linesOf(file: string, key: Buffer, cutShort: () => void): AsyncGenerator<JournalLine> {
  const handle = await open(file, "r").catch(() => {
    throw new GatewayError("JOURNAL_INVALID", "missing");
  });
  try {
    for await (const text of handle.readLines()) {
      const stretch = readStretch(text);
      // That no line was lost in one that was cut short the numbers of those around it tell, see `follow`.
      if (stretch?.torn) cutShort();
      const line = stretch?.line;
      if (stretch === undefined || (line !== undefined && !isAuthentic(line, key)))
        throw new GatewayError("JOURNAL_INVALID", "altered");
      if (line !== undefined) yield line;
    }
  } finally {
    await handle.close();
  }
}

/** Each line follows the one before it in its run, and each run a line that stands before it in the file. */
function follow([run, number, , entry]: JournalLine, runs: Map<string, number>, first: boolean): void {
  const opens = entry.what === "opened";
  let joined = opens === (number === 0) && number === (runs.get(run) ?? 0);
  if (opens && entry.after === undefined) joined &&= first;
  if (opens && entry.after !== undefined) joined &&= (runs.get(entry.after[0]) ?? 0) > entry.after[1];
  if (!joined) throw new GatewayError("JOURNAL_INVALID", "gap");
  runs.set(run, number + 1);
}

function gather(
  found: Gathered,
  entry: Exclude<JournalEntry, { what: "audited" } | { what: "restored" }>,
  at: number,
): void {
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
    case "token-issued":
      found.tokens.set(entry.device, entry.mac);
      break;
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
