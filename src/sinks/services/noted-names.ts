/**
 * Names that are known to be noted as forwarded to a recipient: a name is noted once in its epoch, before the first
 * message under it is handed over, and costs a look-up from then on.
 */
import type { LRUCache } from "lru-cache";
import type { Recipient } from "../../model/disclosure.ts";
import type { ForwardedName } from "../../model/forwarded-name.ts";
import type { Pseudonym } from "../../model/ids.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";

export interface NameNotes {
  /** Resolves when all of them are noted; noting one again changes nothing. */
  note(names: readonly ForwardedName[]): Promise<void>;
}

export interface NotedNamesOptions {
  /** All there are, each at its index. */
  readonly recipients: readonly Recipient[];
  /** How many names are remembered, of all recipients together; the oldest are noted again. */
  readonly maxNames: number;
}

const MIN_NAMES = 1_000;

export class NotedNames {
  readonly #notes: NameNotes;
  readonly #known: readonly LRUCache<Pseudonym, true>[];

  constructor({ recipients, maxNames }: NotedNamesOptions, notes: NameNotes) {
    this.#notes = notes;
    const each = Math.max(MIN_NAMES, Math.floor(maxNames / Math.max(1, recipients.length)));
    this.#known = recipients.map(() => boundedCache(each));
  }

  has({ index }: Recipient, name: string): boolean {
    return this.#known[index]?.has(name as Pseudonym) ?? false;
  }

  /** Rejects when they could not be noted: then nothing may be handed over under them. */
  async note(names: readonly ForwardedName[]): Promise<void> {
    await this.#notes.note(names);
    for (const { recipient, name } of names) this.#known[recipient.index]?.set(name, true);
  }

  forget(names: Iterable<Pseudonym>): void {
    for (const name of names) for (const known of this.#known) known.delete(name);
  }
}
