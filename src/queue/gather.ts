/**
 * Lets batches that wait at the same time go through the pipeline together. With no pass under way a
 * batch goes at once; under load many small batches share one lease, one consent read and one write.
 * A batch under suspicion goes alone: while its pass is under way there is no other.
 */
import type { RawMessage } from "../model/raw.ts";
import type { Watch } from "../model/watch.ts";
import type { JobPlace } from "./job.ts";
import { WaitingLine } from "./waiting-line.ts";

export interface GatherOptions {
  readonly passesInFlight: number;
  readonly maxMessages: number;
}

export interface GatheredBatch {
  readonly place: JobPlace;
  /** How many messages it holds. */
  readonly size: number;
  /** It was worked on before, and what became of that is not known. */
  readonly begunBefore: boolean;
  /** Set for a batch under suspicion: told of every attempt that is made with it. */
  readonly watch?: Watch | undefined;
  /** Opens it; called when its pass begins, so that a batch that waits rests as sealed bytes, not as thousands of objects. */
  readonly open: () => readonly RawMessage[];
}

type Process = (messages: readonly RawMessage[], begunBefore: boolean, watch?: Watch) => Promise<void>;

interface Waiting extends GatheredBatch {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Gather {
  readonly #options: GatherOptions;
  readonly #process: Process;
  readonly #line = new WaitingLine<Waiting>();
  #underWay = 0;
  /** The pass under way is that of a batch under suspicion. */
  #alone = false;
  #scheduled = false;

  constructor(options: GatherOptions, process: Process) {
    this.#options = options;
    this.#process = process;
  }

  /** A batch that will be added, or dropped: those behind it wait until then. */
  announce(place: JobPlace): void {
    this.#line.announce(place);
  }

  drop(place: JobPlace): void {
    this.#line.drop(place);
    this.#schedule();
  }

  /**
   * Resolves when every message of this batch is settled; rejects with what opening it throws, or with what the
   * shared pass rejects with. A pass that holds anything begun before is itself taken for begun before.
   */
  add(batch: GatheredBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#line.arrive(batch.place, { ...batch, resolve, reject });
      this.#schedule();
    });
  }

  /** After this turn of the event loop, in which those before it may still be announced. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      let begun = true;
      while (begun && this.#underWay < this.#options.passesInFlight) begun = this.#pass();
    });
  }

  /** False when there is nothing to begin with. */
  #pass(): boolean {
    const taken = this.#take();
    if (taken.length === 0) return false;
    this.#underWay += 1;
    const messages: RawMessage[] = [];
    const group = taken.filter((batch) => openInto(messages, batch));
    const begunBefore = group.some((batch) => batch.begunBefore);
    const watch = group[0]?.watch;
    this.#alone = watch !== undefined;
    (group.length === 0 ? Promise.resolve() : this.#process(messages, begunBefore, watch))
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
        this.#alone = false;
        this.#schedule();
      });
    return true;
  }

  #take(): Waiting[] {
    if (this.#alone) return [];
    let count = 0;
    let room = true;
    return this.#line.take(({ size, watch }) => {
      const first = count === 0;
      const suspect = watch !== undefined;
      const fits = suspect ? first && this.#underWay === 0 : first || count + size <= this.#options.maxMessages;
      if (!room || !fits) return false;
      count += size;
      room = !suspect;
      return true;
    });
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
