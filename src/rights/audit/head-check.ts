/**
 * Whether a log continues from the recorded heads. A loss found by a restore is excused: only the holder of the log's
 * key can have written the line that reports it.
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

  /** Call after line `next - 1`, whose hash this is. */
  follow(next: number, hash: string, loss: (AuditHead & { readonly from: number }) | undefined): void {
    this.#compare(next, hash);
    if (loss !== undefined && loss.next > loss.from) this.losses.push({ from: loss.from, to: loss.next });
  }

  /** The heads this log does not contain, in order. */
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
