/**
 * Names that are known to be noted as forwarded to a recipient: a name is noted once in its epoch, before the first
 * message under it is handed over, and costs a look-up from then on.
 */
import type { LRUCache } from "lru-cache";
import type { Recipient } from "../../model/disclosure.ts";
import type { ForwardedName } from "../../model/forwarded-name.ts";
import type { Pseudonym } from "../../model/ids.ts";
import { NAMED_SERVICE_PURPOSES, type ServicePurpose } from "../../model/purposes.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";

export interface NameNotes {
  /** Resolves when all of them are noted; noting one again changes nothing. */
  note(names: readonly ForwardedName[]): Promise<void>;
}

export interface NotedNamesOptions {
  /** All there ever were, each at its index; it may grow. */
  readonly recipients: readonly Recipient[];
  /** How many names are remembered, counted for each recipient; those not used for longest are noted again. */
  readonly maxNames: number;
}

const MIN_NAMES = 1_000;

export class NotedNames {
  readonly #recipients: readonly Recipient[];
  readonly #maxNames: number;
  readonly #notes: NameNotes;
  /** Indexes of the recipients for whom a name is noted. */
  #known: LRUCache<Pseudonym, number[]>;
  /** For so many recipients each name has room. */
  #room: number;
  /** Of the recipients so many were counted. */
  #counted = 0;

  constructor({ recipients, maxNames }: NotedNamesOptions, notes: NameNotes) {
    this.#recipients = recipients;
    this.#maxNames = maxNames;
    this.#notes = notes;
    this.#room = this.#most();
    this.#known = this.#cache();
  }

  has({ index }: Recipient, name: string): boolean {
    return this.#known.get(name as Pseudonym)?.includes(index) ?? false;
  }

  /** Rejects when they could not be noted: then nothing may be handed over under them. */
  async note(names: readonly ForwardedName[]): Promise<void> {
    await this.#notes.note(names);
    if (this.#recipients.length > this.#counted) this.#makeRoom();
    for (const { recipient, name } of names) {
      const known = this.#known.get(name);
      if (known === undefined) this.#known.set(name, [recipient.index]);
      else if (!known.includes(recipient.index)) known.push(recipient.index);
    }
  }

  forget(names: Iterable<Pseudonym>): void {
    for (const name of names) this.#known.delete(name);
  }

  /** More recipients for each name, so fewer names. They are noted once more, which changes nothing. */
  #makeRoom(): void {
    const most = this.#most();
    if (most <= this.#room) return;
    this.#room = 2 * most;
    this.#known = this.#cache();
  }

  /** A name is of one purpose: it can be noted for so many at most. */
  #most(): number {
    this.#counted = this.#recipients.length;
    const of = (purpose: ServicePurpose) => this.#recipients.filter((one) => one.purpose === purpose).length;
    return Math.max(1, ...NAMED_SERVICE_PURPOSES.map(of));
  }

  #cache(): LRUCache<Pseudonym, number[]> {
    return boundedCache(Math.max(MIN_NAMES, Math.floor(this.#maxNames / this.#room)));
  }
}
