/** Handing over under a lease that lasts until the bytes have left the process: a withdrawal that is answered later sees none of it. */
import type { Delivery } from "../model/delivery.ts";
import { GatewayError } from "../model/errors.ts";
import type { Lease, LeaseSource } from "../model/lease.ts";

export interface LeasedPorts {
  readonly leases: LeaseSource;
  readonly delivery: Pick<Delivery<never>, "left">;
}

/**
 * `prepare` asks for consent and puts on the account what it found; it resolves with what hands over, or with nothing when there is
 * nothing to. Throws REDIS_UNAVAILABLE, LEASE_LOST, and what the two throw.
 */
export async function underLease(
  { leases, delivery }: LeasedPorts,
  prepare: (lease: Lease) => Promise<(() => void) | undefined>,
): Promise<void> {
  const lease = await leases.acquire();
  let leaving: Promise<void> | undefined;
  try {
    const deliver = await prepare(lease);
    if (deliver === undefined) return;
    if (lease.over) throw new GatewayError("LEASE_LOST", "before handing over");
    try {
      deliver();
    } finally {
      // Also what was handed over before a fault leaves under this lease or not at all.
      leaving = delivery.left(lease.signal);
    }
  } finally {
    await leaving;
    await lease.release();
  }
}
