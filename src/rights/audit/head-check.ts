/**
 * Whether a log goes on from the heads that were noted down. What a restore found to be lost is excused: the
 * line that says so was written by whoever holds the key of the log.
 */
import type { AuditHead, AuditLoss } from "../../model/audit.ts";
import type { AuditState } from "./chain.ts";

export class HeadCheck {
  readonly #noted: readonly AuditHead[];
  readonly losses: AuditLoss[] = [];
  #at = 0;
  #missed: AuditHead[] = [];

  constructor(noted: readonly AuditHead[], { first, base }: AuditState) {
    // Lines past their retention can no longer be compared.
    this.#noted = noted.filter(({ next }) => next >= first).sort((left, right) => left.next - right.next);
    this.#compare(first, base);
  }

  /** After line `next - 1`, whose hash this is. */
  follow(next: number, hash: string, loss: (AuditHead & { readonly from: number }) | undefined): void {
    this.#compare(next, hash);
    if (loss !== undefined && loss.next > loss.from) this.losses.push({ from: loss.from, to: loss.next });
  }

  /** The heads that this log does not go on from, in their order. */
  missed(): AuditHead[] {
    const all = [...this.#missed, ...this.#noted.slice(this.#at)];
    return all.filter(({ next }) => !this.losses.some(({ from, to }) => next > from && next <= to));
  }

  #compare(next: number, hash: string): void {
    for (let head = this.#noted[this.#at]; head?.next === next; head = this.#noted[this.#at]) {
      if (head.hash !== hash) this.#missed.push(head);
      this.#at += 1;
    }
  }
}
