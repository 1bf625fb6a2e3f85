/** What a pass is told of the batches in it. */
export interface OfBatches {
  /** An earlier run had them, and it is unknown what it wrote. */
  readonly begunBefore?: boolean | undefined;
  /** Of one under suspicion. */
  readonly watch?: Watch | undefined;
  /** Under a lease: resolves when they are still this gateway's for as long as the lease. Throws BATCH_LOST, REDIS_UNAVAILABLE. */
  readonly keep?: (() => Promise<void>) | undefined;
}

/** Wraps one attempt of a pass. */
export type Watch = <T>(attempt: () => Promise<T>) => Promise<T>;
