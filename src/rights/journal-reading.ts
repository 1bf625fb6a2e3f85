/** Reads erasure journals back for a restore. Whatever does not verify stops it: a gap may hide an erasure. */
import { timingSafeEqual } from "node:crypto";
import { open } from "node:fs/promises";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { type JournalEntry, journalLine, journalMac } from "./erasure-journal.ts";

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

/** What happened at or after a moment. */
export interface JournalReading {
  readonly entries: number;
  /** Lines a crash cut short; nobody was told that they counted. */
  readonly torn: number;
  /** By subject and id. */
  readonly erasures: ReadonlyMap<SubjectTag, ReadonlyMap<string, JournalErasure>>;
  readonly narrowed: ReadonlyMap<SubjectTag, readonly Narrowed[]>;
  /** MAC of the token issued last. */
  readonly tokens: ReadonlyMap<DeviceKey, string>;
  /** Highest policy version published; 0 for none. */
  readonly policyVersion: number;
}

interface Gathered {
  entries: number;
  torn: number;
  readonly erasures: Map<SubjectTag, Map<string, JournalErasure>>;
  readonly narrowed: Map<SubjectTag, Narrowed[]>;
  readonly tokens: Map<DeviceKey, string>;
  policyVersion: number;
}

/**
 * Keeps what happened at `sinceMs` or later; everything is verified. Throws JOURNAL_INVALID: missing
 * (a file that is not there), altered (a line that does not verify), gap (a line is not where it was).
 */
export async function readJournals(files: readonly string[], key: Buffer, sinceMs: number): Promise<JournalReading> {
  const found: Gathered = {
    entries: 0,
    torn: 0,
    erasures: new Map(),
    narrowed: new Map(),
    tokens: new Map(),
    policyVersion: 0,
  };
  const runs = new Map<string, number>();
  for (const file of files) await readOne(file, key, sinceMs, runs, found);
  return found;
}

async function readOne(
  file: string,
  key: Buffer,
  sinceMs: number,
  runs: Map<string, number>,
  found: Gathered,
): Promise<void> {
  const handle = await open(file, "r").catch(() => {
    throw new GatewayError("JOURNAL_INVALID", "missing");
  });
  try {
    let torn = false;
    for await (const text of handle.readLines()) {
      const line = parse(text);
      if (line === undefined) {
        // Only a beginning of a line can be the trace of a crash; a whole line that can't be read is a changed one.
        if (torn || text.endsWith("]")) throw new GatewayError("JOURNAL_INVALID", "altered");
        torn = true;
        found.torn += 1;
        continue;
      }
      torn = false;
      const [run, number, at, entry, mac] = line;
      if (!sameMac(mac, journalMac(key, run, number, at, entry))) throw new GatewayError("JOURNAL_INVALID", "altered");
      if (number !== (runs.get(run) ?? 0) || (number === 0) !== (entry.what === "opened")) {
        throw new GatewayError("JOURNAL_INVALID", "gap");
      }
      runs.set(run, number + 1);
      if (at >= sinceMs) gather(found, entry, at);
    }
  } finally {
    await handle.close();
  }
}

function parse(text: string) {
  try {
    const line = journalLine.safeParse(JSON.parse(text));
    return line.success ? line.data : undefined;
  } catch {
    return undefined;
  }
}

function sameMac(given: string, right: string): boolean {
  const [left, other] = [Buffer.from(given), Buffer.from(right)];
  return left.length === other.length && timingSafeEqual(left, other);
}

function gather(found: Gathered, entry: JournalEntry, at: number): void {
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
      found.narrowed.set(entry.tag, [...(found.narrowed.get(entry.tag) ?? []), { at, fence: entry.fence }]);
      break;
    case "token-issued":
      found.tokens.set(entry.device, entry.mac);
      break;
    case "policy-published":
      found.policyVersion = Math.max(found.policyVersion, entry.version);
      break;
  }
  found.entries += 1;
}
