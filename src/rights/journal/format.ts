/**
 * The lines of the erasure journal and how each is bound to its position: by its number within its run; the first line
 * of a run names the line before it in the file.
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
import { SERVICE_NAME } from "../../model/service.ts";

/** The head of the audit log at that time. */
const auditHead = { next: count, hash: contentHash };

export const journalEntry = z.discriminatedUnion("what", [
  /** First line of a run; `after` is the previous line in the file, absent in a new file. */
  z.strictObject({ what: z.literal("opened"), after: journalHead.optional() }),
  z.strictObject({ what: z.literal("erasure-asked"), tag: subjectTag, erasure: z.uuid() }),
  /** A subject's key is about to be destroyed. */
  z.strictObject({ what: z.literal("erased"), tag: subjectTag, erasure: z.uuid() }),
  /** Withdrawal, unbinding, or any other change that reduced what is allowed; `fence` is the new one. */
  z.strictObject({ what: z.literal("narrowed"), tag: subjectTag, fence: count }),
  /** A legal hold that is about to be placed or released. */
  z.strictObject({ what: z.literal("held"), tag: subjectTag, hold: legalHold }),
  z.strictObject({ what: z.literal("released"), tag: subjectTag, ref: opaqueReference }),
  /** The subject's party status from here on: minor or not, and the guardian on file. */
  partyStatement.extend({ what: z.literal("minority"), tag: subjectTag }),
  /**
   * `mac`: the stored form of the token, which distinguishes it from earlier ones. `number` increases with each token;
   * older lines have none.
   */
  z.strictObject({ what: z.literal("token-issued"), device: deviceKey, mac: contentHash, number: count.optional() }),
  /** `hash`: of the entry as it is stored, with its tokens. `revision` grows with every change of it. */
  z.strictObject({
    what: z.literal("service-changed"),
    service: z.string().regex(SERVICE_NAME),
    hash: contentHash,
    revision: count,
  }),
  z.strictObject({ what: z.literal("policy-published"), version: count }),
  z.strictObject({ what: z.literal("audited"), ...auditHead }),
  /** A restore has ended: from here on the audit log continues this head, whatever was recorded before. */
  z.strictObject({ what: z.literal("restored"), ...auditHead }),
  /** The same for a repair of the audit log, which changed nothing else. */
  z.strictObject({ what: z.literal("repaired"), ...auditHead }),
]);
export type JournalEntry = z.infer<typeof journalEntry>;

export const journalLine = z.tuple([journalRun, count, timestampMs, journalEntry, lineMac]);
export type JournalLine = z.infer<typeof journalLine>;

/** Several times the longest line: a hold that names as many devices as allowed. */
const TAIL_BYTES = 64 * 1024;

/** Derived from the lookup key: the journal's tags can be used only with that key. */
export function journalKey(lookupKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", lookupKey, Buffer.alloc(0), "consentry erasure journal 1", 32));
}

export function journalMac(key: Buffer, run: string, number: number, at: number, entry: JournalEntry): string {
  const text = JSON.stringify([run, number, at, entry]);
  return createHmac("sha256", key).update(text).digest().toString("base64url", 0, 16);
}

/** `undefined` for an incomplete line; `isAuthentic` tells whether the gateway wrote it. */
export function parseLine(text: string): JournalLine | undefined {
  try {
    const line = journalLine.safeParse(JSON.parse(text));
    return line.success ? line.data : undefined;
  } catch {
    return undefined;
  }
}

/** The beginning of every journal line. */
const BEGINNING = /\["[0-9a-f]{16}",\d+,/g;

/**
 * Parses the text between two line ends. A crash or a full disk can only leave the beginning of a line, which is never
 * valid JSON; another process may have written its line directly after it.
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

/** The last complete line of a file, by any writer; `undefined` when there is none. */
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
