/** Messages that the gateway has not acknowledged yet: a file each, in order, bounded, and still there after a power cut. */
import { EventEmitter } from "node:events";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

export class MessageBuffer extends EventEmitter {
  #folder;
  #most;
  #oldestMs;
  #names;
  #number;

  /** Keeps at most `most` messages, none of them older than `oldestMs`: the oldest go first. */
  constructor(folder, most, oldestMs) {
    super();
    this.#folder = folder;
    this.#most = most;
    this.#oldestMs = oldestMs;
    // What was measured at home is nobody else's business.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = readdirSync(folder);
    // A power cut came in between.
    for (const name of found.filter((one) => one.endsWith(".part"))) rmSync(join(folder, name));
    this.#names = found.filter((name) => name.endsWith(".json")).sort();
    this.#number = Number.parseInt(this.#names.at(-1) ?? "0", 10);
  }

  /** Returns when the message is on disk; emits `added`. */
  add(message) {
    this.#number += 1;
    const name = `${String(this.#number).padStart(12, "0")}.json`;
    this.#write(name, JSON.stringify(message));
    this.#names.push(name);
    while (this.#names.length > this.#most) this.#dropFirst("the buffer is full");
    this.emit("added");
  }

  /** The oldest message; byte for byte the same until `remove` is called. `undefined` when there is none. */
  first() {
    for (let name = this.#names[0]; name !== undefined; name = this.#names[0]) {
      const payload = this.#read(name);
      if (payload === undefined) this.#dropFirst("it cannot be read");
      // The gateway would take the time of receipt instead: a reading of last week, stored as of today.
      else if (JSON.parse(payload).ts < Date.now() - this.#oldestMs) this.#dropFirst("it is too old");
      else return { name, payload };
    }
    return undefined;
  }

  /** The message was acknowledged; it may have been dropped in the meantime. */
  remove(name) {
    const at = this.#names.indexOf(name);
    if (at < 0) return;
    this.#names.splice(at, 1);
    rmSync(join(this.#folder, name), { force: true });
  }

  #write(name, payload) {
    const path = join(this.#folder, name);
    const part = `${path}.part`;
    try {
      writeFileSync(part, payload, { mode: 0o600, flush: true });
      renameSync(part, path);
    } catch (error) {
      rmSync(part, { force: true });
      throw error;
    }
    const folder = openSync(this.#folder, "r");
    fsyncSync(folder);
    closeSync(folder);
  }

  #read(name) {
    try {
      const payload = readFileSync(join(this.#folder, name), "utf8");
      return typeof JSON.parse(payload).ts === "number" ? payload : undefined;
    } catch {
      return undefined;
    }
  }

  #dropFirst(why) {
    rmSync(join(this.#folder, this.#names.shift()), { force: true });
    console.log(`dropped a message: ${why}`);
  }
}
