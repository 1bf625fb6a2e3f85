/**
 * Looks for canaries, byte by byte, in everything a run left behind: files, Redis, InfluxDB, logs,
 * metrics and recorded packets. Says what kind was found, in which form and where; never the canary itself.
 */
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { influxChunks } from "../tools/stack/influx-reader.ts";
import { redisChunks } from "../tools/stack/redis-reader.ts";
import { ByteSearch } from "./byte-search.ts";
import { type Canary, type CanaryKind, formsOf } from "./canary-forms.ts";

export interface LeakScanInput {
  readonly canaries: Iterable<Canary>;
  /** Directories (or single files), read recursively; file names are scanned as well. */
  readonly files?: readonly string[];
  /** Directories or files left out: where the keys and secrets are meant to be. */
  readonly exclude?: readonly string[];
  readonly buffers?: Readonly<Record<string, Uint8Array | string>>;
  readonly redisUrl?: string;
  /** InfluxDB 1.x, or anything that answers its `/query`. */
  readonly influxUrl?: string;
}

export interface Leak {
  readonly canaryKind: CanaryKind;
  readonly form: string;
  readonly where: string;
  /** Distinct canaries of this kind and form found there. */
  readonly count: number;
}

export interface LeakScanResult {
  readonly leaks: readonly Leak[];
  readonly scannedBytes: number;
  readonly canaryCount: number;
}

export async function leakScan(input: LeakScanInput): Promise<LeakScanResult> {
  const scan = new Scan(input.canaries);
  for (const [label, content] of Object.entries(input.buffers ?? {})) scan.whole(label, Buffer.from(content));
  const excluded = new Set((input.exclude ?? []).map((path) => resolve(path)));
  for (const path of input.files ?? []) await scanFiles(scan, resolve(path), excluded);
  if (input.redisUrl !== undefined) {
    for await (const { where, bytes } of redisChunks(input.redisUrl)) scan.whole(where, bytes);
  }
  if (input.influxUrl !== undefined) {
    for await (const { where, bytes } of influxChunks(input.influxUrl)) scan.whole(where, bytes);
  }
  return scan.result();
}

async function scanFiles(scan: Scan, root: string, excluded: ReadonlySet<string>): Promise<void> {
  for (const file of await filesBelow(root, excluded)) {
    const name = relative(root, file) || file;
    scan.whole("a file name", Buffer.from(name));
    await scan.stream(
      scan.isClean(Buffer.from(name)) ? name : "a file with a telling name",
      createReadStream(file, { highWaterMark: CHUNK_BYTES }),
    );
  }
}

const CHUNK_BYTES = 1 << 20;

async function filesBelow(path: string, excluded: ReadonlySet<string>): Promise<string[]> {
  if (excluded.has(path)) return [];
  const entries = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOTDIR") return undefined;
    // A live store drops files under our feet; what is gone holds nothing.
    if (error.code === "ENOENT") return [];
    throw error;
  });
  if (entries === undefined) return [path];
  const below = await Promise.all(
    entries.map((entry) => {
      const child = join(path, entry.name);
      if (entry.isDirectory()) return filesBelow(child, excluded);
      return entry.isFile() && !excluded.has(child) ? [child] : [];
    }),
  );
  return below.flat();
}

class Scan {
  readonly #search: ByteSearch;
  readonly #patterns: { readonly canary: Canary; readonly form: string }[] = [];
  readonly #found = new Map<string, { leak: Omit<Leak, "count">; values: Set<string> }>();
  readonly #canaryCount: number;
  #scannedBytes = 0;

  constructor(canaries: Iterable<Canary>) {
    const distinct = new Map<string, Canary>();
    for (const canary of canaries) distinct.set(canary.value, canary);
    this.#canaryCount = distinct.size;
    const bytes: Buffer[] = [];
    for (const canary of distinct.values()) {
      for (const form of formsOf(canary)) {
        bytes.push(form.bytes);
        this.#patterns.push({ canary, form: form.form });
      }
    }
    this.#search = new ByteSearch(bytes);
  }

  whole(where: string, bytes: Uint8Array): void {
    this.#scannedBytes += bytes.length;
    this.#look(where, bytes);
  }

  /** Chunk by chunk, each preceded by the end of the one before, so that nothing hides across a border. */
  async stream(where: string, chunks: AsyncIterable<Buffer>): Promise<void> {
    const overlap = this.#search.longestBytes - 1;
    let tail = Buffer.alloc(0);
    try {
      for await (const chunk of chunks) {
        this.#scannedBytes += chunk.length;
        const text = Buffer.concat([tail, chunk]);
        this.#look(where, text);
        tail = text.subarray(Math.max(0, text.length - overlap));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  isClean(bytes: Uint8Array): boolean {
    let clean = true;
    this.#search.scan(bytes, () => {
      clean = false;
    });
    return clean;
  }

  #look(where: string, text: Uint8Array): void {
    this.#search.scan(text, (index) => {
      const pattern = this.#patterns[index];
      if (pattern === undefined) return;
      const { canary, form } = pattern;
      const key = `${canary.kind} ${form} ${where}`;
      const entry = this.#found.get(key) ?? { leak: { canaryKind: canary.kind, form, where }, values: new Set() };
      entry.values.add(canary.value);
      this.#found.set(key, entry);
    });
  }

  result(): LeakScanResult {
    const leaks = [...this.#found.values()].map(({ leak, values }) => ({ ...leak, count: values.size }));
    return { leaks, scannedBytes: this.#scannedBytes, canaryCount: this.#canaryCount };
  }
}
