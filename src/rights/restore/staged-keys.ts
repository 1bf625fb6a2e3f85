/** Keys of subjects and of erasures, from the archive of keys: staged under the present master key, but for those that died since. */

import { NO_SUBJECT_KEY } from "../../model/consent.ts";
import { damageIn } from "../../model/damage.ts";
import type { SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import type { KeysLine } from "../backup/archive.ts";
import type { Replay } from "./replay.ts";
import type { StagedWrites } from "./staged-writes.ts";
import { waitingName } from "./staging.ts";

export interface KeyringPort {
  /** The key under the present master key; `undefined` when it is already. Throws SUBJECT_KEY_UNREADABLE. */
  rewrap(wrappedSubjectKey: string): string | undefined;
}

export class StagedKeys {
  readonly #staged: StagedWrites;
  readonly #keyspace: Keyspace;
  readonly #keyring: KeyringPort;
  readonly #replay: Replay;
  readonly #readAt: number;
  readonly #counts = { keys: 0, unreadable: 0 };
  /** Subjects whose destroyed key was still in the archive. */
  readonly #dead = new Set<SubjectTag>();

  /** `readAt`: when the archive was taken; 0 for none. */
  constructor(staged: StagedWrites, keyspace: Keyspace, keyring: KeyringPort, replay: Replay, readAt: number) {
    this.#staged = staged;
    this.#keyspace = keyspace;
    this.#keyring = keyring;
    this.#replay = replay;
    this.#readAt = readAt;
  }

  get counts(): Readonly<{ keys: number; unreadable: number }> {
    return this.#counts;
  }

  async add({ tag, name, key }: Extract<KeysLine, { is: "key" }>): Promise<void> {
    const adopted = this.#adopted(key);
    const erasing = this.#replay.erasuresOf(tag).find(({ id }) => id === name);
    const lives = name === "" ? this.#replay.keyMayLive(tag, this.#readAt) : erasing?.destroyed !== true;
    if (!lives) {
      this.#dead.add(tag);
      return;
    }
    this.#counts.keys += 1;
    const hash = name === "" ? this.#keyspace.subject(tag) : this.#keyspace.erasure(tag, name);
    await this.#staged.add((to) => to.hset(waitingName(hash), "key", adopted));
  }

  /** That these keys are destroyed: remnants of them are looked for. */
  async writeDead(now: number): Promise<void> {
    for (const tag of this.#dead)
      await this.#staged.add((to) => to.zadd(waitingName(this.#keyspace.erasedKeys), now, tag));
  }

  async of(tag: SubjectTag): Promise<string | undefined> {
    if (!this.#staged.isChecking) return this.#staged.field(this.#keyspace.subject(tag), "key");
    // Without writing, keys are not assigned to subjects; any existing key will do.
    return this.#readAt === 0 ? undefined : NO_SUBJECT_KEY;
  }

  /** A key that does not unwrap affects only its own subject: it is restored unchanged. */
  #adopted(key: string): string {
    try {
      return this.#keyring.rewrap(key) ?? key;
    } catch (error) {
      if (damageIn(error) !== "subject-key") throw error;
      this.#counts.unreadable += 1;
      return key;
    }
  }
}
