/**
 * Which jobs this process has counted as admitted, told by their ids alone: all of its own, but those whose
 * write failed or came too late. Whatever else it settles was admitted by another run or another gateway: the books
 * take that up as recovered, and those of a gateway that still runs hand it over, so that both balance.
 */
import { boundedCache } from "../platform/bounded-cache.ts";
import { JobIds, type JobSize, jobPlace, wholeOf } from "./job.ts";

export interface KnownJobsPorts {
  /** Settled here, and not counted as admitted here. */
  readonly recovered: (id: string) => void;
  /** Counted as admitted here, and settled by another gateway. */
  readonly handedOver: (id: string) => void;
}

/** What became of a batch, or of parts of it, before its producer has heard whether it was written. */
interface Early {
  readonly settled: string[];
  readonly handedOver: string[];
}

/** Writes that failed and happened all the same; far more than ever are in the queue at a time. */
const DISOWNED = 10_000;

export class KnownJobs {
  readonly #ids = new JobIds();
  readonly #ports: KnownJobsPorts;
  /** About to be written: Redis may have it, the producer has not heard so. */
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

  /** The id of a job about to be written; `confirm` or `disown` must follow. */
  announce(size: JobSize): string {
    const id = this.#ids.next(size);
    this.#announced.set(wholeOf(id), { settled: [], handedOver: [] });
    return id;
  }

  /** The write happened in time, and its messages count as admitted. */
  confirm(id: string): void {
    for (const one of this.#heard(id).handedOver) this.#ports.handedOver(one);
  }

  /** The write failed or came too late, and its messages were counted as refused. */
  disown(id: string): void {
    const { settled } = this.#heard(id);
    this.#disowned.set(wholeOf(id), true);
    for (const one of settled) this.#ports.recovered(one);
  }

  /** Every message of this job, or of this part of one, has its outcome. To be called once for each. */
  settle(id: string): void {
    const whole = wholeOf(id);
    const early = this.#announced.get(whole);
    if (early !== undefined) early.settled.push(id);
    else if (!this.isOwn(id) || this.#disowned.has(whole)) this.#ports.recovered(id);
  }

  /** Another gateway has settled this one, and counted it as recovered. */
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
