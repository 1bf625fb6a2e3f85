/**
 * What a restored backup must not bring back: every erasure, every change that reduced what is allowed, every legal
 * hold, every replaced token and every published policy. Each is a line in a file, synced to disk before the change is
 * confirmed. The file lies outside Redis and the backups, and contains no personal data.
 *
 * Each process writes a run of its own: numbered lines with a MAC each; the first names the line before it. So several
 * processes can share a file, and a line or run that was changed, moved or removed from the middle is detected.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { GatewayError } from "../../model/errors.ts";
import type { JournalHead } from "../../model/journal-head.ts";
import { headOf, isAuthentic, type JournalEntry, journalEntry, journalMac, lastLineOf } from "./format.ts";

export type Recorded = Exclude<JournalEntry, { what: "opened" }>;

const OPEN_TO_OTHERS = 0o077;

interface Waiting {
  readonly at: number;
  readonly entry: JournalEntry;
  readonly done: () => void;
  readonly failed: (error: GatewayError) => void;
}

export class ErasureJournal {
  readonly #file: string;
  readonly #key: Buffer;
  #run = newRun();
  #handle: FileHandle | undefined;
  #number = 0;
  #head: JournalHead | undefined;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  constructor(file: string, key: Buffer) {
    this.#file = file;
    this.#key = key;
  }

  /** The line written last. */
  get head(): JournalHead | undefined {
    return this.#head;
  }

  /**
   * `mayBegin` is called when there is no journal to continue: a new one knows nothing of the past. Throws
   * JOURNAL_UNWRITABLE, JOURNAL_MISSING, JOURNAL_INVALID (altered), and what `mayBegin` throws.
   */
  async start(mayBegin: () => Promise<boolean>): Promise<void> {
    if (this.#handle !== undefined) return;
    try {
      this.#handle = await this.#open(mayBegin);
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
   * Resolves once the entry is on disk. Entries that arrive meanwhile share the next write. Throws JOURNAL_UNWRITABLE:
   * then the change must not be confirmed.
   */
  async record(entry: Recorded, at = Date.now()): Promise<void> {
    // When read back, the MAC is computed over the output of the schema, so it is computed over that here as well.
    await this.#append(journalEntry.parse(entry), at);
  }

  async #open(mayBegin: () => Promise<boolean>): Promise<FileHandle> {
    const { O_APPEND, O_CREAT, O_RDWR } = constants;
    const found = await open(this.#file, O_APPEND | O_RDWR).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return undefined;
    });
    try {
      if (found !== undefined && ((await found.stat()).mode & OPEN_TO_OTHERS) !== 0)
        throw new GatewayError("JOURNAL_UNWRITABLE", "readable-by-others");
      const last = found && (await lastLineOf(found));
      if (last !== undefined && !isAuthentic(last, this.#key)) throw new GatewayError("JOURNAL_INVALID", "altered");
      if (last === undefined && !(await mayBegin())) throw new GatewayError("JOURNAL_MISSING");
    } catch (error) {
      await found?.close();
      throw error;
    }
    if (found !== undefined) return found;
    await mkdir(dirname(this.#file), { recursive: true });
    const made = await open(this.#file, O_APPEND | O_CREAT | O_RDWR, 0o600);
    await syncFolder(dirname(this.#file));
    return made;
  }

  #append(entry: JournalEntry, at: number): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ entry, at, done, failed });
      this.#writing ??= this.#write();
    });
  }

  async #write(): Promise<void> {
    // The caller must be able to note that this is running before it can have ended.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#writeAll(batch);
        for (const { done } of batch) done();
      } catch (cause) {
        const error = new GatewayError("JOURNAL_UNWRITABLE", codeOf(cause));
        // It is unknown how much was written: what follows starts a new run, on a line of its own.
        this.#beginRun();
        for (const { failed } of batch) failed(error);
      }
    }
    this.#writing = undefined;
  }

  async #writeAll(batch: readonly Waiting[]): Promise<void> {
    const handle = this.#handle;
    if (handle === undefined) throw new GatewayError("JOURNAL_UNWRITABLE", "not-open");
    let entries: readonly Pick<Waiting, "entry" | "at">[] = batch;
    // Another process that shares the file may have died in the middle of a line, or found the disk full.
    await endTornLine(handle);
    if (this.#number === 0) {
      const last = await lastLineOf(handle);
      const opened: JournalEntry = { what: "opened", ...(last !== undefined && { after: headOf(last) }) };
      entries = [{ entry: opened, at: Date.now() }, ...batch.filter(({ entry }) => entry.what !== "opened")];
    }
    let head = this.#head;
    const lines = entries.map(({ entry, at }, index) => {
      const number = this.#number + index;
      const mac = journalMac(this.#key, this.#run, number, at, entry);
      head = [this.#run, number, mac];
      return `${JSON.stringify([this.#run, number, at, entry, mac])}\n`;
    });
    await writeWhole(handle, lines.join(""));
    await handle.datasync();
    this.#number += entries.length;
    this.#head = head;
  }

  #beginRun(): void {
    this.#run = newRun();
    this.#number = 0;
  }
}

function newRun(): string {
  return randomBytes(8).toString("hex");
}

/** A line cut short by a crash was never confirmed: a line end is added, so that the next line stands alone. */
async function endTornLine(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  if (size === 0) return;
  const last = Buffer.alloc(1);
  await handle.read(last, 0, 1, size - 1);
  if (last.toString() !== "\n") await handle.write("\n");
}

/** In one call: another process's line must not land in the middle of a line that was confirmed. */
async function writeWhole(handle: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  const { bytesWritten } = await handle.write(bytes);
  if (bytesWritten !== bytes.length) throw new GatewayError("JOURNAL_UNWRITABLE", "cut-short");
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** File-system errors quote the path; their code is enough. */
function codeOf(error: unknown): string {
  if (error instanceof GatewayError) return error.message.replace(/^[A-Z_]+: /, "");
  return (error as NodeJS.ErrnoException).code ?? "unknown";
}
