/**
 * What a line of the erasure journal says, and how it is bound to its place: by its number in its run, and
 * the first line of a run by the line that stood last in the file before it.
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { z } from "zod";
import {
  contentHash,
  deviceKey,
  legalHold,
  opaqueReference,
  partyStatement,
  subjectTag,
  timestampMs,
} from "../../model/consent-record.ts";
import { journalCount as count, type JournalHead, journalHead, journalRun, lineMac } from "../../model/journal-head.ts";

/** How far the audit log had got. */
const auditHead = { next: count, hash: contentHash };

export const journalEntry = z.discriminatedUnion("what", [
  /** First line of a run; `after` is the line that stood last, absent in a new file. */
  z.strictObject({ what: z.literal("opened"), after: journalHead.optional() }),
  z.strictObject({ what: z.literal("erasure-asked"), tag: subjectTag, erasure: z.uuid() }),
  /** A subject's key is about to be destroyed. */
  z.strictObject({ what: z.literal("erased"), tag: subjectTag, erasure: z.uuid() }),
  /** Withdrawal, unbinding, or any other change after which less was allowed; `fence` is the one after it. */
  z.strictObject({ what: z.literal("narrowed"), tag: subjectTag, fence: count }),
  /** A legal hold that is about to stand, or to end. */
  z.strictObject({ what: z.literal("held"), tag: subjectTag, hold: legalHold }),
  z.strictObject({ what: z.literal("released"), tag: subjectTag, ref: opaqueReference }),
  /** Who the subject is as a party from here on: a minor or not, and the guardian on file. */
  partyStatement.extend({ what: z.literal("minority"), tag: subjectTag }),
  /** `mac`: how the token is kept, which tells it from the ones before. `number` grows with each one; lines of before have none. */
  z.strictObject({ what: z.literal("token-issued"), device: deviceKey, mac: contentHash, number: count.optional() }),
  z.strictObject({ what: z.literal("policy-published"), version: count }),
  z.strictObject({ what: z.literal("audited"), ...auditHead }),
  /** A restore has ended: from here on the audit log continues this head, whatever was noted before. */
  z.strictObject({ what: z.literal("restored"), ...auditHead }),
  /** The same of a repair of the audit log, which changed nothing else. */
  z.strictObject({ what: z.literal("repaired"), ...auditHead }),
]);
export type JournalEntry = z.infer<typeof journalEntry>;

export const journalLine = z.tuple([journalRun, count, timestampMs, journalEntry, lineMac]);
export type JournalLine = z.infer<typeof journalLine>;

/** Above several times the longest line: a hold that names every device it may. */
const TAIL_BYTES = 64 * 1024;

/** Derived from the lookup key: without that one the tags of the journal mean nothing, with it they do. */
export function journalKey(lookupKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", lookupKey, Buffer.alloc(0), "consentry erasure journal 1", 32));
}

export function journalMac(key: Buffer, run: string, number: number, at: number, entry: JournalEntry): string {
  const text = JSON.stringify([run, number, at, entry]);
  return createHmac("sha256", key).update(text).digest().toString("base64url", 0, 16);
}

/** `undefined` when it is no whole line; whether it is ours `isAuthentic` tells. */
export function parseLine(text: string): JournalLine | undefined {
  try {
    const line = journalLine.safeParse(JSON.parse(text));
    return line.success ? line.data : undefined;
  } catch {
    return undefined;
  }
}

/** How every line of ours begins. */
const BEGINNING = /\["[0-9a-f]{16}",\d+,/g;

/**
 * What a stretch of the file between two line ends says. Only a beginning of a line can be the trace of a crash or of a
 * full disk, and no beginning of a line is JSON; another process may have written its line right behind it.
 */
export function readStretch(text: string): { readonly line?: JournalLine; readonly torn: boolean } | undefined {
  const line = parseLine(text);
  if (line !== undefined) return { line, torn: false };
  if (isJson(text)) return undefined;
  for (const { index } of [...text.matchAll(BEGINNING)].reverse()) {
    const behind = parseLine(text.slice(index));
    if (behind !== undefined) return { line: behind, torn: true };
  }
  return { torn: true };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export function isAuthentic([run, number, at, entry, mac]: JournalLine, key: Buffer): boolean {
  const [given, right] = [Buffer.from(mac), Buffer.from(journalMac(key, run, number, at, entry))];
  return given.length === right.length && timingSafeEqual(given, right);
}

/** The last whole line of a file, whoever wrote it; `undefined` when there is none. */
export async function lastLineOf(handle: FileHandle): Promise<JournalLine | undefined> {
  const { size } = await handle.stat();
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  await handle.read(tail, 0, tail.length, size - tail.length);
  for (const text of tail.toString("utf8").split("\n").reverse()) {
    const line = readStretch(text)?.line;
    if (line !== undefined) return line;
  }
  return undefined;
}

export function headOf([run, number, , , mac]: JournalLine): JournalHead {
  return [run, number, mac];
}
