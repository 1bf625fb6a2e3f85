/** A lease of the fence: while it lasts, and no longer, something may be written of what was read under it. */
import type { DeviceKey, SubjectTag } from "./ids.ts";

/** Where leases come from. */
export interface LeaseSource {
  acquire(): Promise<Lease>;
}

export interface Lease {
  /** Aborts a quarter of the term before the lease ends: whatever writes under it must stop then. */
  readonly signal: AbortSignal;
  /** As the signal says, by the clock: after a stall of the process the signal comes later than what waited with it. */
  readonly over: boolean;
  /** Ends the lease; safe to call more than once. Never throws: a lease that cannot be released runs out. */
  release(): Promise<void>;
  /**
   * Keeps the lease beyond its term, for everything in `concerned`, until it is released or abandoned.
   * Resolves once Redis knows; while Redis is away it is tried again in the background. Never throws.
   */
  keep(concerned: ReadonlySet<SubjectTag | DeviceKey>): Promise<void>;
  /** Stops keeping the lease without releasing it: it runs out, long after a restart has had time to take over. */
  abandon(): void;
}
