/**
 * The keys of a running gateway. New queue keys and a new master key are loaded while messages flow: at first they only
 * open, and they seal once every live gateway can open with them. Lookup, pepper and token keys never change in a
 * running gateway.
 */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../../model/log.ts";
import { faultCode } from "../fault-code.ts";
import { type Keys, readKeys } from "./files.ts";
import { fingerprint } from "./fingerprint.ts";

/** What a gateway reports to the others; ids and fingerprints only. */
export interface KeyReport {
  /** Fingerprint of every queue key it can open with, by id. */
  readonly queue: Readonly<Record<string, string>>;
  /** Ids of queue keys under which a batch of its own may still arrive in the queue. */
  readonly sealing: readonly string[];
  /** Fingerprints of the master keys it unwraps with, and of the one it wraps with. */
  readonly masters: readonly string[];
  readonly wrapping: string;
}

export interface LiveKeysOptions {
  readonly dir: string;
  /** A batch sealed under the previous key may arrive in the queue this long after the change. */
  readonly sealedLateMs: number;
}

/** A seal that does not open triggers a check for new keys, but not more often than this. */
const LOOK_AGAIN_MS = 500;

export class LiveKeys {
  readonly #options: LiveKeysOptions;
  readonly #log: Log;
  #keys: Keys;
  #signature: string;
  #sealing: string;
  readonly #sealedUntil = new Map<string, number>();
  #wrapping: Buffer;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: LiveKeysOptions, keys: Keys, log: Log) {
    this.#options = options;
    this.#log = log;
    this.#keys = keys;
    this.#signature = signatureOf(options.dir);
    this.#sealing = keys.queue.active;
    this.#wrapping = keys.master;
  }

  /** Seals and opens batches; always the current keys. */
  readonly queue = liveQueue(this);

  /** Wraps and unwraps subject keys; always the current keys. */
  readonly subjects = liveSubjects(this);

  get sealing(): string {
    return this.#sealing;
  }

  get present(): Keys {
    return this.#keys;
  }

  get wrapping(): Buffer {
    return this.#wrapping;
  }

  get masters(): Buffer[] {
    const { master, nextMaster } = this.#keys;
    return nextMaster === undefined ? [master] : [master, nextMaster];
  }

  /** Reads the key files again if they have changed. Unusable keys are logged, and the present keys stay. */
  reload(): void {
    const signature = signatureOf(this.#options.dir);
    if (signature === this.#signature) return;
    this.#signature = signature;
    let keys: Keys;
    try {
      keys = readKeys(this.#options.dir, { create: false });
    } catch (error) {
      this.#log.warn("changed keys not reloaded", { code: faultCode(error), stage: "keys" });
      return;
    }
    for (const name of ["lookup", "pepper", "token"] as const) {
      if (keys[name].equals(this.#keys[name])) continue;
      this.#log.error("a key that must not change was changed; the old value is used until a restart", {
        reason: name,
      });
      return;
    }
    this.#keys = keys;
    // A key whose file is gone must not seal any more; otherwise only `settle` may choose a newer one.
    if (!keys.queue.all.has(this.#sealing)) this.#seal(keys.queue.active);
    if (!this.masters.some((key) => key.equals(this.#wrapping))) this.#wrapping = keys.master;
    this.#log.info("keys reloaded", { count: keys.queue.all.size });
  }

  /** At most every half second: a seal arrived whose key this gateway does not have. */
  lookAgain(): void {
    if (performance.now() - this.#lookedAt < LOOK_AGAIN_MS) return;
    this.#lookedAt = performance.now();
    this.reload();
  }

  /** Switches to the newest keys that all gateways hold. `reports` includes our own. */
  settle(reports: readonly KeyReport[]): void {
    const { queue, nextMaster } = this.#keys;
    const shared = [...queue.all].filter(([id, key]) => {
      const print = fingerprint(key);
      return reports.every((report) => report.queue[id] === print);
    });
    const newest = shared.at(-1)?.[0];
    if (newest !== undefined && newest !== this.#sealing) this.#seal(newest);
    if (nextMaster === undefined || nextMaster.equals(this.#wrapping)) return;
    const print = fingerprint(nextMaster);
    if (reports.every(({ masters }) => masters.includes(print))) this.#wrapping = nextMaster;
  }

  report(): KeyReport {
    const now = performance.now();
    const late = [...this.#sealedUntil].filter(([, until]) => until > now).map(([id]) => id);
    return {
      queue: Object.fromEntries([...this.#keys.queue.all].map(([id, key]) => [id, fingerprint(key)])),
      sealing: [this.#sealing, ...late],
      masters: this.masters.map(fingerprint),
      wrapping: fingerprint(this.#wrapping),
    };
  }

  #seal(id: string): void {
    this.#sealedUntil.set(this.#sealing, performance.now() + this.#options.sealedLateMs);
    this.#sealing = id;
    this.#sealedUntil.delete(id);
  }
}

function liveQueue(live: LiveKeys) {
  return {
    get active() {
      return live.sealing;
    },
    get all() {
      return live.present.queue.all;
    },
    lookAgain: () => live.lookAgain(),
  };
}

function liveSubjects(live: LiveKeys) {
  return {
    get masterKey() {
      return live.wrapping;
    },
    get otherMasterKeys() {
      return live.masters.filter((key) => !key.equals(live.wrapping));
    },
    get pepper() {
      return live.present.pepper;
    },
  };
}

/** Names, sizes and times of all key files; empty when they cannot be listed. */
function signatureOf(dir: string): string {
  try {
    return [dir, join(dir, "queue")]
      .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
      .filter((file) => file.endsWith(".key"))
      .map((file) => {
        const { ino, size, mtimeMs, mode } = statSync(file);
        return [file, ino, size, mtimeMs, mode].join(" ");
      })
      .sort()
      .join("\n");
  } catch {
    return "";
  }
}
