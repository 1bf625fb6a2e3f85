/**
 * Groups batches that wait at the same time into one pass of the pipeline: many small ones share one lease, one consent read and
 * one write. After a rest a batch starts at once; where passes follow each other, at the next beat, unless many wait. A batch
 * under suspicion is processed alone, with no other pass in parallel.
 */
import type { RawMessage } from "../model/raw.ts";
import type { Watch } from "../model/watch.ts";
import { Beat } from "../platform/beat.ts";
import type { JobPlace } from "./job.ts";
import { WaitingLine } from "./waiting-line.ts";

export interface GatherOptions {
  readonly passesInFlight: number;
  readonly maxMessages: number;
  /** Between the beginnings of two passes while few batches wait; 0: none. */
  readonly restMs: number;
}

/** Half of those that the queue hands out at a time: it must not run dry. */
const MANY_BATCHES = 16;

export interface GatheredBatch {
  readonly id: string;
  readonly place: JobPlace;
  /** Number of messages in it. */
  readonly size: number;
  /** An earlier run worked on it, with unknown result. */
  readonly begunBefore: boolean;
  /** Set for a batch under suspicion: called for every attempt with it. */
  readonly watch?: Watch | undefined;
  /** Opens it; called when its pass begins, so that a waiting batch is sealed bytes, not thousands of objects. */
  readonly open: () => readonly RawMessage[];
}

type Process = (
  messages: readonly RawMessage[],
  begunBefore: boolean,
  watch: Watch | undefined,
  batches: readonly GatheredBatch[],
) => Promise<void>;

interface Waiting extends GatheredBatch {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Gather {
  readonly #options: GatherOptions;
  readonly #process: Process;
  readonly #line = new WaitingLine<Waiting>();
  #underWay = 0;
  /** The current pass is that of a batch under suspicion. */
  #alone = false;
  #begunAt = Number.NEGATIVE_INFINITY;
  readonly #beat: Beat;

  constructor(options: GatherOptions, process: Process) {
    this.#options = options;
    this.#process = process;
    this.#beat = new Beat(options.restMs, () => {
      let begun = true;
      while (begun && this.#underWay < this.#options.passesInFlight) begun = this.#pass();
    });
  }

  /** A batch that will be added or dropped: later ones wait until then. */
  announce(place: JobPlace): void {
    this.#line.announce(place);
  }

  drop(place: JobPlace): void {
    this.#line.drop(place);
    this.#schedule();
  }

  /**
   * Resolves when every message of this batch has its outcome; rejects with the error of opening it, or of the shared
   * pass. A pass with any batch begun before counts as begun before.
   */
  add(batch: GatheredBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#line.arrive(batch.place, { ...batch, resolve, reject });
      this.#schedule();
    });
  }

  /** At once is after this turn of the event loop, in which earlier batches may still be announced. */
  #schedule(): void {
    if (this.#line.size === 0) return;
    // Half of it: batches are fetched at the same beats, and how long that takes varies.
    const rested = performance.now() - this.#begunAt >= this.#options.restMs / 2;
    this.#beat.call(rested || this.#line.size >= MANY_BATCHES);
  }

  /** False when there is nothing to start. */
  #pass(): boolean {
    const taken = this.#take();
    if (taken.length === 0) return false;
    this.#begunAt = performance.now();
    this.#underWay += 1;
    const messages: RawMessage[] = [];
    const group = taken.filter((batch) => openInto(messages, batch));
    const begunBefore = group.some((batch) => batch.begunBefore);
    const watch = group[0]?.watch;
    this.#alone = watch !== undefined;
    (group.length === 0 ? Promise.resolve() : this.#process(messages, begunBefore, watch, group))
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

/** False when the batch does not open: only this batch fails, the others continue. */
function openInto(messages: RawMessage[], batch: Waiting): boolean {
  try {
    for (const message of batch.open()) messages.push(message);
    return true;
  } catch (error) {
    batch.reject(error);
    return false;
  }
}
