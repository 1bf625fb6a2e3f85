/** When everything that was sent has been dealt with, and the books of the gateway say so. */
import type { AccountService } from "../tools/stack/account-service.ts";
import { type GatewayBooks, readBooks } from "../tools/stack/books.ts";
import { eventually } from "./concurrency.ts";
import type { Fleet } from "./fleet.ts";

export const DRAIN_TIMEOUT_MS = 60_000;

/**
 * The books once as much has come as must, nothing is in flight and nothing has arrived between two readings; the last reading
 * if that never happens.
 */
export async function drained(api: AccountService, fleet: Fleet, least: number): Promise<GatewayBooks> {
  let last = readBooks(await api.metrics());
  await fleet.settle(DRAIN_TIMEOUT_MS);
  await eventually(
    async () => {
      const previous = last;
      last = readBooks(await api.metrics());
      const quiet = last.inFlight === 0 && last.backlog === 0 && last.received === previous.received;
      return quiet && last.received >= least;
    },
    DRAIN_TIMEOUT_MS,
    150,
  );
  return last;
}
