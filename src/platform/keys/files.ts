/**
 * Reads the gateway's keys, and rejects a key that is missing, short, guessable or readable by others, and a folder
 * that others may write to: every pseudonym, sealed batch and credential depends on these files. Faults name the file,
 * never its content or path.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { GatewayError } from "../../model/errors.ts";
import { optionUnusable } from "../start-faults.ts";

export interface Keys {
  /** Derives device keys and subject tags; changing it orphans every record. */
  readonly lookup: Buffer;
  /** Salts every pseudonym, and seals the keys of days (crowds/day-keys.ts). */
  readonly pepper: Buffer;
  /** Wraps the subject keys; stored separately from ordinary backups. */
  readonly master: Buffer;
  /** Replaces `master` at the end of a rotation. */
  readonly nextMaster: Buffer | undefined;
  /** Seed of the Ed25519 key that signs receipts. */
  readonly receipt: Buffer;
  /** Derives the stored form of device tokens. */
  readonly token: Buffer;
  /** Seals backup archives except those of subject keys; needed for nothing else. */
  readonly backup: Buffer | undefined;
  /** Seals batches: `active` is the id of the sealing key, `all` has every key that may still have to open one. */
  readonly queue: { readonly active: string; readonly all: ReadonlyMap<string, Buffer> };
}

const SINGLE_KEYS = ["lookup", "pepper", "master", "token", "receipt"] as const;
export const BACKUP_KEY_FILE = "backup.key";
export const NEXT_MASTER_FILE = "master-next.key";
/** Former master keys, needed only to restore older archives. */
export const RETIRED_DIR = "retired";
const FIRST_QUEUE_KEY = "q0001";
export const QUEUE_KEY_FILE = /^([a-z][a-z0-9]{0,15})\.key$/;
const KEY_BYTES = 32;
const MAX_FILE_BYTES = 1_024;
const OPEN_TO_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * `create` makes a complete new set when `dir` is missing or empty; an incomplete set is rejected anyway, because a new
 * key opens nothing that the lost one sealed. @throws GatewayError KEY_INVALID with the file's base name and a code.
 */
export function readKeys(dir: string, { create }: { create: boolean }): Keys {
  if (keysAreMissing(dir) && create) createKeys(resolve(dir));
  for (const folder of [dir, join(dir, "queue"), join(dir, RETIRED_DIR)]) refuseOpenFolder(folder);
  const [lookup, pepper, master, token, receipt] = SINGLE_KEYS.map((name) => readKey(join(dir, `${name}.key`)));
  if (!(lookup && pepper && master && token && receipt)) throw new GatewayError("KEY_INVALID", "queue: missing");
  const queue = readQueueKeys(join(dir, "queue"));
  const nextMaster = readOptionalKey(join(dir, NEXT_MASTER_FILE));
  const backup = readOptionalKey(join(dir, BACKUP_KEY_FILE));
  const optional = [nextMaster, backup].filter((key) => key !== undefined);
  // Not used here, but as valuable to an attacker: they open older archives.
  readRetiredKeys(dir);
  refuseTwins([lookup, pepper, master, token, receipt, ...optional, ...queue.all.values()]);
  return { lookup, pepper, master, nextMaster, token, receipt, backup, queue };
}

/**
 * These keys alone, with the same checks: a command needs no file that it makes no use of. Throws KEY_INVALID.
 */
export function readKeysOf<Name extends keyof Keys>(dir: string, names: readonly Name[]): Pick<Keys, Name> {
  for (const folder of [dir, join(dir, "queue")]) refuseOpenFolder(folder);
  const read: { [Key in keyof Keys]: () => Keys[Key] } = {
    lookup: () => readKey(join(dir, "lookup.key")),
    pepper: () => readKey(join(dir, "pepper.key")),
    master: () => readKey(join(dir, "master.key")),
    token: () => readKey(join(dir, "token.key")),
    receipt: () => readKey(join(dir, "receipt.key")),
    nextMaster: () => readOptionalKey(join(dir, NEXT_MASTER_FILE)),
    backup: () => readOptionalKey(join(dir, BACKUP_KEY_FILE)),
    queue: () => readQueueKeys(join(dir, "queue")),
  };
  const keys = Object.fromEntries(names.map((name) => [name, read[name]()])) as unknown as Pick<Keys, Name>;
  const all = Object.values<Keys[Name]>(keys).flatMap((key) =>
    key === undefined ? [] : Buffer.isBuffer(key) ? [key] : [...key.all.values()],
  );
  refuseTwins(all);
  return keys;
}

/** Former master keys by file name; empty when there was no rotation. Throws KEY_INVALID. */
export function readRetiredKeys(dir: string): Map<string, Buffer> {
  const folder = join(dir, RETIRED_DIR);
  const files = existsSync(folder) ? namesIn(folder).filter((name) => name.endsWith(".key")) : [];
  return new Map(files.sort().map((name) => [name, readKey(join(folder, name))]));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw new GatewayError("KEY_INVALID", `${basename(folder)}: unreadable`, { cause: codeOf(cause) });
  }
}

/** With write access to the folder, others could replace our keys by their own. */
function refuseOpenFolder(folder: string): void {
  if (existsSync(folder) && (statSync(folder).mode & WRITABLE_BY_OTHERS) !== 0)
    throw new GatewayError("KEY_INVALID", `${basename(folder)}: writable-by-others`);
}

function readOptionalKey(file: string): Buffer | undefined {
  return existsSync(file) ? readKey(file) : undefined;
}

/** Sorted by id: the newest comes last, and seals. */
function readQueueKeys(dir: string): Keys["queue"] {
  const keys = new Map<string, Buffer>();
  let files: string[] = [];
  try {
    files = readdirSync(dir);
  } catch (cause) {
    throw new GatewayError("KEY_INVALID", "queue: missing", { cause: codeOf(cause) });
  }
  for (const file of files.filter((name) => name.endsWith(".key")).sort()) {
    const id = QUEUE_KEY_FILE.exec(file)?.[1];
    if (id === undefined) throw new GatewayError("KEY_INVALID", "queue: bad-name");
    keys.set(id, readKey(join(dir, file)));
  }
  const active = [...keys.keys()].at(-1);
  if (active === undefined) throw new GatewayError("KEY_INVALID", "queue: missing");
  return { active, all: keys };
}

function readKey(file: string): Buffer {
  const refuse = (code: string, cause?: unknown) =>
    new GatewayError("KEY_INVALID", `${basename(file)}: ${code}`, { cause });
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch (cause) {
    throw refuse(codeOf(cause) === "ENOENT" ? "missing" : "unreadable", codeOf(cause));
  }
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) throw refuse("not-a-file");
    if ((stat.mode & OPEN_TO_OTHERS) !== 0) throw refuse("readable-by-others");
    if (stat.size > MAX_FILE_BYTES) throw refuse("too-long");
    const hex = readFileSync(handle, "latin1").trim();
    if (!/^(?:[0-9a-f]{2})*$/i.test(hex)) throw refuse("not-hex");
    const key = Buffer.from(hex, "hex");
    if (key.length !== KEY_BYTES) throw refuse(key.length < KEY_BYTES ? "too-short" : "too-long");
    if (isGuessable(key)) throw refuse("guessable");
    return key;
  } finally {
    closeSync(handle);
  }
}

/** What 32 random bytes never are (chance below 2^-40): few distinct bytes, a pattern, a sequence, typed text. */
function isGuessable(key: Buffer): boolean {
  if (new Set(key).size < 12) return true;
  const step = ((key[1] ?? 0) - (key[0] ?? 0)) & 0xff;
  if (key.every((byte, index) => index === 0 || ((byte - (key[index - 1] ?? 0)) & 0xff) === step)) return true;
  if (key.subarray(0, KEY_BYTES / 2).equals(key.subarray(KEY_BYTES / 2))) return true;
  return key.every((byte) => byte >= 0x20 && byte < 0x7f);
}

/** With one key in two roles, one stage could do the other's work. */
function refuseTwins(keys: readonly Buffer[]): void {
  if (new Set(keys.map((key) => key.toString("hex"))).size !== keys.length) {
    throw new GatewayError("KEY_INVALID", "same key in two files");
  }
}

/** Whether `create` would make a complete new set. */
export function keysAreMissing(dir: string): boolean {
  try {
    return readdirSync(dir).length === 0;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return true;
    throw optionUnusable("keys.dir", error);
  }
}

/** The set appears completely or not at all: it is made in a temporary folder and renamed. */
function createKeys(dir: string): void {
  const staging = stagingBeside(dir);
  try {
    mkdirSync(join(staging, "queue"), { mode: 0o700 });
    for (const name of SINGLE_KEYS) writeKey(join(staging, `${name}.key`));
    writeKey(join(staging, BACKUP_KEY_FILE));
    writeKey(join(staging, "queue", `${FIRST_QUEUE_KEY}.key`));
    for (const folder of [join(staging, "queue"), staging]) syncFolder(folder);
    renameSync(staging, dir);
    syncFolder(dirname(dir));
  } catch (cause) {
    rmSync(staging, { recursive: true, force: true });
    // Another process was first: its set is equally good and is read instead.
    if (codeOf(cause) === "ENOTEMPTY" || codeOf(cause) === "EEXIST") return;
    throw new GatewayError("KEY_INVALID", "keys could not be created", { cause: codeOf(cause) });
  }
}

function stagingBeside(dir: string): string {
  try {
    mkdirSync(dirname(dir), { recursive: true });
    return mkdtempSync(`${dir}.new-`);
  } catch (error) {
    throw optionUnusable("keys.dir", error);
  }
}

/**
 * A new random key in a new file. When this returns it is on disk, except for its directory entry: see `syncFolder`.
 */
export function writeKey(file: string): void {
  writeFileSync(file, `${randomBytes(KEY_BYTES).toString("hex")}\n`, { mode: 0o600, flag: "wx", flush: true });
}

export function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** File-system errors quote the path; their code is enough. */
function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "unknown";
}
