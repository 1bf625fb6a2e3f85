/** Why a gateway should get no traffic: the closed set of `/readyz` and of `consentry_ready`. */
export const READINESS_REASONS = [
  "starting",
  "stopping",
  "redis-unreachable",
  "redis-not-writable",
  "backlog-full",
  "dead-letters-full",
  "store-unavailable",
  "event-loop-delayed",
] as const;
export type ReadinessReason = (typeof READINESS_REASONS)[number];

export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly ReadinessReason[];
}

/** Ready when none of these reasons holds. */
export function readinessOf(held: Readonly<Record<ReadinessReason, boolean>>): Readiness {
  const reasons = READINESS_REASONS.filter((reason) => held[reason]);
  return { ready: reasons.length === 0, reasons };
}
