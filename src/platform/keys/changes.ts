/**
 * Changes an operator may make to the key files. Each appears completely or not at all, and one with several steps can
 * be interrupted anywhere and continued.
 */
import { randomUUID } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { GatewayError } from "../../model/errors.ts";
import {
  BACKUP_KEY_FILE,
  NEXT_MASTER_FILE,
  QUEUE_KEY_FILE,
  RETIRED_DIR,
  readKeys,
  readRetiredKeys,
  syncFolder,
  writeKey,
} from "./files.ts";
import { fingerprint } from "./fingerprint.ts";

export interface KeyDescription {
  readonly id: string;
  readonly role: string;
  readonly fingerprint: string;
  /** Unix ms. */
  readonly createdAt: number;
}

/** Every key, ids and fingerprints only. Throws KEY_INVALID. */
export function describeKeys(dir: string): KeyDescription[] {
  const { queue, nextMaster, backup, lookup, pepper, master, token, receipt } = readKeys(dir, { create: false });
  const found: [id: string, role: string, key: Buffer | undefined, file: string][] = [
    ["lookup", "names devices and subjects; cannot change", lookup, "lookup.key"],
    ["pepper", "salts pseudonyms; cannot change", pepper, "pepper.key"],
    ["token", "keeps device tokens", token, "token.key"],
    ["receipt", "signs receipts", receipt, "receipt.key"],
    ["master", "wraps subject keys", master, "master.key"],
    ["master-next", "takes over from master", nextMaster, NEXT_MASTER_FILE],
    ["backup", "seals backup archives", backup, BACKUP_KEY_FILE],
  ];
  for (const [id, key] of queue.all) {
    found.push([id, id === queue.active ? "seals batches" : "opens batches", key, join("queue", `${id}.key`)]);
  }
  for (const [file, key] of readRetiredKeys(dir)) {
    found.push([file.replace(/\.key$/, ""), "retired: opens older archives", key, join(RETIRED_DIR, file)]);
  }
  return found.flatMap(([id, role, key, file]) => {
    if (key === undefined) return [];
    return [{ id, role, fingerprint: fingerprint(key), createdAt: statSync(join(dir, file)).mtimeMs }];
  });
}

const LOCK_FILE = "changing.lock";
/** A change takes milliseconds: an older lock was left by a process that died. */
const LOCK_LEFT_MS = 10_000;

/** Only one of several processes changes the key files at a time. Throws KEY_IN_USE. */
function alone<T>(dir: string, change: () => T): T {
  const lock = join(dir, LOCK_FILE);
  const mine = randomUUID();
  try {
    writeFileSync(lock, mine, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    removeLeft(lock, `${lock}.${mine}`);
    writeFileSync(lock, mine, { flag: "wx", mode: 0o600 });
  }
  try {
    return change();
  } finally {
    // A lock that was taken for abandoned meanwhile belongs to another process.
    if (existsSync(lock) && readFileSync(lock, "utf8") === mine) rmSync(lock, { force: true });
  }
}

/** If several processes find it abandoned, one removes it; the others must not remove the new lock of the first. */
function removeLeft(lock: string, aside: string): void {
  const busy = () => new GatewayError("KEY_IN_USE", "another process changes the key files");
  const found = statSync(lock, { throwIfNoEntry: false });
  if (found === undefined || Date.now() - found.mtimeMs < LOCK_LEFT_MS) throw busy();
  renameSync(lock, aside);
  const another = statSync(aside).ino !== found.ino;
  if (another) linkSync(aside, lock);
  rmSync(aside);
  if (another) throw busy();
}

/**
 * Creates the next queue key and returns its id. Gateways load it by themselves. With `after`: creates nothing and
 * returns `undefined` when that is no longer the newest, because another process created the next one.
 */
export function addQueueKey(dir: string): string;
export function addQueueKey(dir: string, after: string): string | undefined;
export function addQueueKey(dir: string, after?: string): string | undefined {
  return alone(dir, () => nextQueueKey(dir, after));
}

function nextQueueKey(dir: string, after: string | undefined): string | undefined {
  const folder = join(dir, "queue");
  const newest = readdirSync(folder)
    .flatMap((name) => QUEUE_KEY_FILE.exec(name)?.[1] ?? [])
    .sort()
    .at(-1);
  if (after !== undefined && newest !== after) return undefined;
  const id = following(newest ?? "q0000");
  writeKey(join(folder, `${id}.key`));
  syncFolder(folder);
  return id;
}

/** Creates the next master key, unless an interrupted rotation left one. */
export function beginMaster(dir: string): void {
  alone(dir, () => {
    if (existsSync(join(dir, NEXT_MASTER_FILE))) return;
    writeKey(join(dir, NEXT_MASTER_FILE));
    syncFolder(dir);
  });
}

/**
 * The next master key becomes the master key; the former one is retired. Returns the id of the retired one. `wrapping`:
 * the key under which everything was wrapped; a different next key belongs to another rotation. Throws KEY_IN_USE then.
 */
export function endMaster(dir: string, wrapping?: Buffer): string {
  return alone(dir, () => {
    const { nextMaster } = readKeys(dir, { create: false });
    if (wrapping !== undefined && nextMaster?.equals(wrapping) !== true)
      throw new GatewayError("KEY_IN_USE", "another rotation of the master key has ended meanwhile");
    return replaceKey(dir, "master", NEXT_MASTER_FILE);
  });
}

/** Creates a new backup key; the former one is retired. Returns its id, if there was one. */
export function replaceBackupKey(dir: string): string | undefined {
  return alone(dir, () => anotherBackupKey(dir));
}

function anotherBackupKey(dir: string): string | undefined {
  if (!existsSync(join(dir, BACKUP_KEY_FILE))) {
    writeKey(join(dir, BACKUP_KEY_FILE));
    syncFolder(dir);
    return undefined;
  }
  const fresh = "backup-next.part";
  rmSync(join(dir, fresh), { force: true });
  writeKey(join(dir, fresh));
  return replaceKey(dir, "backup", fresh);
}

/** Creates a new receipt key in place of the former one, whose private half is no longer needed. */
export function replaceReceiptKey(dir: string): void {
  alone(dir, () => anotherReceiptKey(dir));
}

function anotherReceiptKey(dir: string): void {
  const fresh = join(dir, "receipt-next.part");
  rmSync(fresh, { force: true });
  writeKey(fresh);
  renameSync(fresh, join(dir, "receipt.key"));
  syncFolder(dir);
}

/**
 * Deletes a queue key or a retired key; the caller must know that it is unused. False when another process has deleted
 * it.
 */
export function removeKey(dir: string, id: string): boolean {
  const [folder, file] = existsSync(join(dir, "queue", `${id}.key`))
    ? ["queue", `${id}.key`]
    : [RETIRED_DIR, `${id}.key`];
  if (!existsSync(join(dir, folder, file))) return false;
  rmSync(join(dir, folder, file));
  syncFolder(join(dir, folder));
  return true;
}

function replaceKey(dir: string, name: "master" | "backup", fresh: string): string {
  if (!existsSync(join(dir, fresh))) throw new GatewayError("KEY_INVALID", `${fresh}: missing`);
  const former = readKeys(dir, { create: false })[name];
  if (former === undefined) throw new GatewayError("KEY_INVALID", `${name}.key: missing`);
  const id = `${name}-${fingerprint(former)}`;
  const retired = join(dir, RETIRED_DIR);
  mkdirSync(retired, { recursive: true, mode: 0o700 });
  // First a second name for the former key, then the first name for the new one: neither is ever without a name.
  if (!existsSync(join(retired, `${id}.key`))) linkSync(join(dir, `${name}.key`), join(retired, `${id}.key`));
  syncFolder(retired);
  renameSync(join(dir, fresh), join(dir, `${name}.key`));
  syncFolder(dir);
  return id;
}

/** q0001 → q0002. Ids sort by name, so a number never gets longer. */
function following(id: string): string {
  const [, letters = "", digits = ""] = /^(.*?)(\d+)$/.exec(id) ?? [];
  const next = String(Number(digits) + 1).padStart(digits.length, "0");
  if (digits === "" || next.length > digits.length)
    throw new GatewayError("KEY_INVALID", "queue: no name left after the newest");
  return `${letters}${next}`;
}
