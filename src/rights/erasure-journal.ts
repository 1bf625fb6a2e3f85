/**
 * What a restored backup must not bring back: every erasure, every change after which less was allowed,
 * every replaced token and every published policy, as lines of a file that is on disk before any of them
 * is answered. It lies outside Redis and outside the backups, and names nobody: keyed hashes only.
 *
 * Each process writes a run of its own: numbered lines with a MAC each, so that several processes can
 * share a file and a line that was changed, moved or taken out of the middle is noticed.
 */
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";

const keyedHash = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const tag = keyedHash as unknown as z.ZodType<SubjectTag, string>;
const device = keyedHash as unknown as z.ZodType<DeviceKey, string>;
const count = z.number().int().nonnegative();

export const journalEntry = z.discriminatedUnion("what", [
  /** First line of a run. */
  z.strictObject({ what: z.literal("opened") }),
  z.strictObject({ what: z.literal("erasure-asked"), tag, erasure: z.uuid() }),
  /** A subject's key is about to be destroyed. */
  z.strictObject({ what: z.literal("erased"), tag, erasure: z.uuid() }),
  /** Withdrawal, unbinding, or any other change after which less was allowed; `fence` is the one after it. */
  z.strictObject({ what: z.literal("narrowed"), tag, fence: count }),
  /** `mac`: how the token is kept, which tells it from the ones before. */
  z.strictObject({ what: z.literal("token-issued"), device, mac: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }),
  z.strictObject({ what: z.literal("policy-published"), version: count }),
]);
export type JournalEntry = z.infer<typeof journalEntry>;
type Recorded = Exclude<JournalEntry, { what: "opened" }>;

export const journalLine = z.tuple([
  /** Run. */
  z.string().regex(/^[0-9a-f]{16}$/),
  /** Number in the run, from 0. */
  count,
  /** Unix ms. */
  count,
  journalEntry,
  z.string().regex(/^[A-Za-z0-9_-]{22}$/),
]);

const OPEN_TO_OTHERS = 0o077;

interface Waiting {
  readonly at: number;
  readonly entry: JournalEntry;
  readonly done: () => void;
  readonly failed: (error: GatewayError) => void;
}

/** The first line of a run, when nobody waits for it. */
const OPENED: Waiting = { at: 0, entry: { what: "opened" }, done: () => undefined, failed: () => undefined };

/** Derived from the lookup key: without that one the tags of the journal mean nothing, with it they do. */
export function journalKey(lookupKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", lookupKey, Buffer.alloc(0), "consentry erasure journal 1", 32));
}

export function journalMac(key: Buffer, run: string, number: number, at: number, entry: JournalEntry): string {
  const text = JSON.stringify([run, number, at, entry]);
  return createHmac("sha256", key).update(text).digest().toString("base64url", 0, 16);
}

export class ErasureJournal {
  readonly #file: string;
  readonly #key: Buffer;
  #run = newRun();
  #handle: FileHandle | undefined;
  #number = 0;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  constructor(file: string, key: Buffer) {
    this.#file = file;
    this.#key = key;
  }

  /** Throws JOURNAL_UNWRITABLE. */
  async start(): Promise<void> {
    if (this.#handle !== undefined) return;
    try {
      await mkdir(dirname(this.#file), { recursive: true });
      const { O_APPEND, O_CREAT, O_RDWR } = constants;
      this.#handle = await open(this.#file, O_APPEND | O_CREAT | O_RDWR, 0o600);
      if (((await this.#handle.stat()).mode & OPEN_TO_OTHERS) !== 0)
        throw new GatewayError("JOURNAL_UNWRITABLE", "readable-by-others");
      await syncFolder(dirname(this.#file));
      this.#beginRun();
      await this.#append({ what: "opened" }, Date.now());
    } catch (cause) {
      await this.#handle?.close().catch(() => undefined);
      this.#handle = undefined;
      throw cause instanceof GatewayError ? cause : new GatewayError("JOURNAL_UNWRITABLE", codeOf(cause));
    }
  }

  async stop(): Promise<void> {
    await this.#writing;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /**
   * Resolves once the entry is on disk. Entries that arrive meanwhile share the next write.
   * Throws JOURNAL_UNWRITABLE: then whatever it was about must not be answered as done.
   */
  async record(entry: Recorded, at = Date.now()): Promise<void> {
    await this.#append(entry, at);
  }

  #append(entry: JournalEntry, at: number): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ entry, at, done, failed });
      this.#writing ??= this.#write();
    });
  }

  async #write(): Promise<void> {
    // Whoever called must be able to note that this runs before it can have ended.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      if (this.#number === 0 && batch[0]?.entry.what !== "opened") batch.unshift(OPENED);
      const lines = batch.map(({ entry, at }, index) => {
        const number = this.#number + index;
        return `${JSON.stringify([this.#run, number, at, entry, journalMac(this.#key, this.#run, number, at, entry)])}\n`;
      });
      try {
        if (this.#handle === undefined) throw new GatewayError("JOURNAL_UNWRITABLE", "not-open");
        if (this.#number === 0) await endTornLine(this.#handle);
        await this.#handle.writeFile(lines.join(""));
        await this.#handle.datasync();
        this.#number += batch.length;
        for (const { done } of batch) done();
      } catch (cause) {
        const error = new GatewayError("JOURNAL_UNWRITABLE", codeOf(cause));
        // How much of it is there nobody knows: what follows counts from the beginning, on a line of its own.
        this.#beginRun();
        for (const { failed } of batch) failed(error);
      }
    }
    this.#writing = undefined;
  }

  #beginRun(): void {
    this.#run = newRun();
    this.#number = 0;
  }
}

function newRun(): string {
  return randomBytes(8).toString("hex");
}

/** A line cut short by a crash was never acknowledged: it is ended, so that what follows stands on its own. */
async function endTornLine(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  if (size === 0) return;
  const last = Buffer.alloc(1);
  await handle.read(last, 0, 1, size - 1);
  if (last.toString() !== "\n") await handle.writeFile("\n");
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** File-system errors quote the path; their code says enough. */
function codeOf(error: unknown): string {
  if (error instanceof GatewayError) return error.message.replace(/^[A-Z_]+: /, "");
  return (error as NodeJS.ErrnoException).code ?? "unknown";
}
