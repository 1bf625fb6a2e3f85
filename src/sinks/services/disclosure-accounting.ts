/**
 * The account of who is given data of whom. A line names the subject, the recipient with its purpose, and the
 * day; it is on record, for good, before the first message it is about is handed over. How many there were
 * is counted in memory and added later, so that a count can come out too low and a line can't be missing.
 */
import type { LRUCache } from "lru-cache";
import type { DisclosureLine, Recipient } from "../../model/disclosure.ts";
import type { Pseudonym, SubjectTag } from "../../model/ids.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";

export type LineCount = readonly [line: DisclosureLine, count: number];

export interface AccountPort {
  /** Resolves when all of them are on record; lines that are already stay as they are. */
  open(lines: readonly DisclosureLine[]): Promise<void>;
  /** Adds to lines on record. May be called again with the same number and counts; they are added once. */
  add(number: number, counts: readonly LineCount[]): Promise<void>;
}

export interface AccountingOptions {
  /** All there ever were, each at its index; it may grow. */
  readonly recipients: readonly Recipient[];
  /** How many lines are remembered as being on record; those not used for longest are made sure of again. */
  readonly maxLines: number;
}

/** What is known of one subject's lines of one day. Its counts are by recipient, in the order of their index. */
export interface SubjectAccount {
  readonly subject: SubjectTag;
  readonly revision: number;
  readonly day: string;
  readonly counts: number[];
  /** Some of the names known to be noted as forwarded, by recipient in the same order. */
  readonly noted: Pseudonym[][];
  /** Whether something of it waits to be added. */
  counted: boolean;
}

/** Not on record as far as is known here. */
const CLOSED = -1;
const ACCOUNTS_PER_CALL = 200;
const MIN_SUBJECTS = 1_000;

export class Accounting {
  readonly #recipients: readonly Recipient[];
  readonly #port: AccountPort;
  readonly #maxLines: number;
  #accounts: LRUCache<SubjectTag, SubjectAccount>;
  /** For so many recipients the accounts have room. */
  #room: number;
  readonly #counted: SubjectAccount[] = [];
  /** What was taken for adding and is not known to be added. */
  #unsent: { readonly number: number; readonly counts: readonly LineCount[] } | undefined;
  #number = 0;
  #flushing: Promise<void> = Promise.resolve();

  constructor({ recipients, maxLines }: AccountingOptions, port: AccountPort) {
    this.#recipients = recipients;
    this.#port = port;
    this.#maxLines = maxLines;
    this.#room = Math.max(1, recipients.length);
    this.#accounts = this.#cache();
  }

  /** Lines opened at an earlier revision may have been erased since, so they are opened again. */
  account(subject: SubjectTag, revision: number, day: string): SubjectAccount {
    if (this.#recipients.length > this.#room) this.#makeRoom();
    const known = this.#accounts.get(subject);
    if (known !== undefined && known.revision >= revision && known.day === day) return known;
    const counts = new Array<number>(this.#recipients.length).fill(CLOSED);
    const account: SubjectAccount = { subject, revision, day, counts, noted: [], counted: false };
    this.#accounts.set(subject, account);
    return account;
  }

  /** Whether the line is known to be on record. */
  isOpen(account: SubjectAccount, { index }: Recipient): boolean {
    return (account.counts[index] ?? CLOSED) !== CLOSED;
  }

  /** Rejects when they could not be put on record: then nothing they are about may be handed over. */
  async open(wanted: readonly (readonly [SubjectAccount, Recipient])[]): Promise<void> {
    await this.#port.open(wanted.map(([account, recipient]) => lineOf(account, recipient)));
    for (const [{ counts }, { index }] of wanted) if ((counts[index] ?? CLOSED) === CLOSED) counts[index] = 0;
  }

  /** One message more was handed over. The line must be open. */
  count(account: SubjectAccount, { index }: Recipient): void {
    account.counts[index] = (account.counts[index] ?? 0) + 1;
    if (account.counted) return;
    account.counted = true;
    this.#counted.push(account);
  }

  /** Adds to the record what was counted. Rejects when it could not; it is kept for the next time. */
  flush(): Promise<void> {
    const flushing = this.#flushing.catch(() => undefined).then(() => this.#flush());
    this.#flushing = flushing;
    return flushing;
  }

  async #flush(): Promise<void> {
    // What is counted meanwhile waits for the next time, or this would never come to an end.
    for (let left = this.#counted.length; left > 0 || this.#unsent !== undefined; ) {
      if (this.#unsent === undefined) {
        const accounts = this.#counted.splice(0, Math.min(left, ACCOUNTS_PER_CALL));
        left -= accounts.length;
        this.#number += 1;
        this.#unsent = { number: this.#number, counts: accounts.flatMap((account) => this.#taken(account)) };
      }
      await this.#port.add(this.#unsent.number, this.#unsent.counts);
      this.#unsent = undefined;
    }
  }

  /** More lines for each subject, so fewer subjects; their lines are made sure of again, and what was counted is not lost. */
  #makeRoom(): void {
    this.#room = 2 * this.#recipients.length;
    this.#accounts = this.#cache();
  }

  #cache(): LRUCache<SubjectTag, SubjectAccount> {
    return boundedCache(Math.max(MIN_SUBJECTS, Math.floor(this.#maxLines / this.#room)));
  }

  #taken(account: SubjectAccount): LineCount[] {
    const { counts } = account;
    account.counted = false;
    return this.#recipients.flatMap((recipient): LineCount[] => {
      const count = counts[recipient.index] ?? CLOSED;
      if (count <= 0) return [];
      counts[recipient.index] = 0;
      return [[lineOf(account, recipient), count]];
    });
  }
}

function lineOf({ subject, revision, day }: SubjectAccount, recipient: Recipient): DisclosureLine {
  return { subject, revision, recipient, day };
}
