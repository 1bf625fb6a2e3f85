/**
 * Lets batches that wait at the same time go through the pipeline together. With no pass under way a
 * batch goes at once; under load many small batches share one lease, one consent read and one write.
 */
import type { RawMessage } from "../model/raw.ts";

export interface GatherOptions {
  readonly passesInFlight: number;
  readonly maxMessages: number;
}

export interface GatheredBatch {
  /** How many messages it holds. */
  readonly size: number;
  /** It was worked on before, and what became of that is not known. */
  readonly begunBefore: boolean;
  /** Opens it; called when its pass begins, so that a batch that waits rests as sealed bytes, not as thousands of objects. */
  readonly open: () => readonly RawMessage[];
}

interface Waiting extends GatheredBatch {
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
   * Resolves when every message of this batch is settled; rejects with what opening it throws, or with what the
   * shared pass rejects with. A pass that holds anything begun before is itself taken for begun before.
   */
  add(batch: GatheredBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...batch, resolve, reject });
      if (this.#underWay < this.#options.passesInFlight) this.#pass();
    });
  }

  #pass(): void {
    if (this.#waiting.length === 0) return;
    this.#underWay += 1;
    const messages: RawMessage[] = [];
    const group = this.#take().filter((batch) => openInto(messages, batch));
    const begunBefore = group.some((batch) => batch.begunBefore);
    (group.length === 0 ? Promise.resolve() : this.#process(messages, begunBefore))
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
    for (const { size } of this.#waiting) {
      if (taken > 0 && count + size > this.#options.maxMessages) break;
      count += size;
      taken += 1;
    }
    return this.#waiting.splice(0, taken);
  }
}

/** False when the batch does not open: it is told so, and the others go on without it. */
function openInto(messages: RawMessage[], batch: Waiting): boolean {
  try {
    for (const message of batch.open()) messages.push(message);
    return true;
  } catch (error) {
    batch.reject(error);
    return false;
  }
}
