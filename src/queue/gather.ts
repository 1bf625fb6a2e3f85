/**
 * Lets batches that wait at the same time go through the pipeline together. With no pass under way a
 * batch goes at once; under load many small batches share one lease, one consent read and one write.
 */
import type { RawMessage } from "../model/raw.ts";

export interface GatherOptions {
  readonly passesInFlight: number;
  readonly maxMessages: number;
}

interface Waiting {
  readonly messages: readonly RawMessage[];
  readonly begunBefore: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Gather {
  readonly #options: GatherOptions;
  readonly #process: (messages: readonly RawMessage[], begunBefore: boolean) => Promise<void>;
  #waiting: Waiting[] = [];
  #underWay = 0;

  constructor(
    options: GatherOptions,
    process: (messages: readonly RawMessage[], begunBefore: boolean) => Promise<void>,
  ) {
    this.#options = options;
    this.#process = process;
  }

  /**
   * Resolves when every message of this batch is settled; rejects with what the shared pass rejects with.
   * A pass that holds anything begun before is itself taken for begun before.
   */
  add(messages: readonly RawMessage[], begunBefore: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ messages, begunBefore, resolve, reject });
      if (this.#underWay < this.#options.passesInFlight) this.#pass();
    });
  }

  #pass(): void {
    const group = this.#take();
    if (group.length === 0) return;
    this.#underWay += 1;
    const messages =
      group.length === 1 && group[0] !== undefined ? group[0].messages : group.flatMap((one) => one.messages);
    this.#process(
      messages,
      group.some((one) => one.begunBefore),
    )
      .then(
        () => {
          for (const { resolve } of group) resolve();
        },
        (error: unknown) => {
          for (const { reject } of group) reject(error);
        },
      )
      .finally(() => {
        this.#underWay -= 1;
        this.#pass();
      });
  }

  #take(): Waiting[] {
    let count = 0;
    let taken = 0;
    for (const { messages } of this.#waiting) {
      if (taken > 0 && count + messages.length > this.#options.maxMessages) break;
      count += messages.length;
      taken += 1;
    }
    return this.#waiting.splice(0, taken);
  }
}
