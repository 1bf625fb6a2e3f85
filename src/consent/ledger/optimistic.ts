/** Read, decide, write unless somebody else was first; then again from the start, a bounded number of times. */
import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { GatewayError } from "../../model/errors.ts";

const MAX_ATTEMPTS = 12;
const MAX_BACKOFF_MS = 40;

/** `attempt` answers `undefined` when another writer was first. Throws `CONSENT_CONFLICT` when that happens every time. */
export async function optimistically<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tried = 1; tried <= MAX_ATTEMPTS; tried += 1) {
    const done = await attempt();
    if (done !== undefined) return done;
    await delay(randomInt(MAX_BACKOFF_MS) + 1);
  }
  throw new GatewayError("CONSENT_CONFLICT", what);
}
