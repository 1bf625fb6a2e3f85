/** Read, decide, and write unless another writer was first; then start over, a bounded number of times. */
import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { GatewayError } from "../../model/errors.ts";

const MAX_ATTEMPTS = 12;
const MAX_BACKOFF_MS = 40;

/**
 * `attempt` returns `undefined` when another writer was first. Throws `CONSENT_CONFLICT` when every attempt fails so.
 */
export async function optimistically<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tried = 1; tried <= MAX_ATTEMPTS; tried += 1) {
    const done = await attempt();
    if (done !== undefined) return done;
    await delay(randomInt(MAX_BACKOFF_MS) + 1);
  }
  throw new GatewayError("CONSENT_CONFLICT", what);
}
