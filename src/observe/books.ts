/** The books: plain counters that balance at every moment, because in-flight is computed as the remainder. */
import { type Books, type DeadLetterReason, REFUSAL_REASONS, type Refusal } from "../model/outcome.ts";
import { DEAD_LETTERS } from "./metric-table.ts";

/** Counters at one moment; `inFlight` is the remainder of the others. */
export interface BooksSnapshot {
  readonly received: number;
  readonly recovered: number;
  readonly handedOver: number;
  readonly admitted: number;
  readonly refused: Readonly<Record<Refusal, number>>;
  readonly stored: number;
  readonly forwardedOnly: number;
  readonly deadLettered: Readonly<Record<DeadLetterReason, number>>;
  readonly inFlight: number;
}

export class BookCounts implements Books {
  readonly #books = { received: 0, recovered: 0, handedOver: 0, admitted: 0, stored: 0, forwardedOnly: 0 };
  readonly #refused = zeros(REFUSAL_REASONS);
  readonly #deadLettered = zeros(DEAD_LETTERS);

  received(count: number): void {
    this.#books.received += count;
  }

  refused(reason: Refusal, count: number): void {
    this.#refused[reason] += count;
  }

  admitted(count: number): void {
    this.#books.admitted += count;
  }

  recovered(count: number): void {
    this.#books.recovered += count;
  }

  /** Admitted here and completed by another gateway. */
  handedOver(count: number): void {
    this.#books.handedOver += count;
  }

  stored(count: number): void {
    this.#books.stored += count;
  }

  forwardedOnly(count: number): void {
    this.#books.forwardedOnly += count;
  }

  deadLettered(reason: DeadLetterReason, count: number): void {
    this.#deadLettered[reason] += count;
  }

  books(): BooksSnapshot {
    const { received, recovered, handedOver, admitted, stored, forwardedOnly } = this.#books;
    const refused = { ...this.#refused };
    const deadLettered = { ...this.#deadLettered };
    const done = sum(refused) + stored + forwardedOnly + sum(deadLettered) + handedOver;
    const inFlight = received + recovered - done;
    return { received, recovered, handedOver, admitted, refused, stored, forwardedOnly, deadLettered, inFlight };
  }
}

/** One counter for each name, so that counting needs no existence check. */
export function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
