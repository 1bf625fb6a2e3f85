/**
 * The jobs that this process counted as admitted, known by their ids alone: all of its own, except those whose write
 * failed or was late. Any other job it completes was admitted by another run or gateway: it is counted as recovered,
 * and a gateway that still runs hands it over in its counters, so that both balance.
 */
import { boundedCache } from "../platform/bounded-cache.ts";
import { JobIds, type JobSize, jobPlace, wholeOf } from "./job.ts";

export interface KnownJobsPorts {
  /** Completed here, but not counted as admitted here. */
  readonly recovered: (id: string) => void;
  /** Counted as admitted here, but completed by another gateway. */
  readonly handedOver: (id: string) => void;
}

/** The result of a batch, or of parts of it, before its producer knows whether the write succeeded. */
interface Early {
  readonly settled: string[];
  readonly handedOver: string[];
}

/** Writes that failed for the producer but happened; far more than the queue ever holds at a time. */
const DISOWNED = 10_000;

export class KnownJobs {
  readonly #ids = new JobIds();
  readonly #ports: KnownJobsPorts;
  /** About to be written: Redis may have it, but the producer does not know yet. */
  readonly #announced = new Map<string, Early>();
  readonly #disowned = boundedCache<string, true>(DISOWNED);

  constructor(ports: KnownJobsPorts) {
    this.#ports = ports;
  }

  /** In the id of every job of this process. */
  get origin(): string {
    return this.#ids.origin;
  }

  isOwn(id: string): boolean {
    return jobPlace(id).origin === this.origin;
  }

  /** The id of a job about to be written; call `confirm` or `disown` afterwards. */
  announce(size: JobSize): string {
    const id = this.#ids.next(size);
    this.#announced.set(wholeOf(id), { settled: [], handedOver: [] });
    return id;
  }

  /** The write happened in time, and its messages count as admitted. */
  confirm(id: string): void {
    for (const one of this.#heard(id).handedOver) this.#ports.handedOver(one);
  }

  /** The write failed or was late, and its messages were counted as refused. */
  disown(id: string): void {
    const { settled } = this.#heard(id);
    this.#disowned.set(wholeOf(id), true);
    for (const one of settled) this.#ports.recovered(one);
  }

  /** Every message of this job, or of this part, has its outcome. Call once for each. */
  settle(id: string): void {
    const whole = wholeOf(id);
    const early = this.#announced.get(whole);
    if (early !== undefined) early.settled.push(id);
    else if (!this.isOwn(id) || this.#disowned.has(whole)) this.#ports.recovered(id);
  }

  /** Another gateway completed this job, and counted it as recovered. */
  handOver(id: string): void {
    const whole = wholeOf(id);
    const early = this.#announced.get(whole);
    if (early !== undefined) early.handedOver.push(id);
    else if (!this.#disowned.has(whole)) this.#ports.handedOver(id);
  }

  #heard(id: string): Early {
    const whole = wholeOf(id);
    const early = this.#announced.get(whole) ?? { settled: [], handedOver: [] };
    this.#announced.delete(whole);
    return early;
  }
}
