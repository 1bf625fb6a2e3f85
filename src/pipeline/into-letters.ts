/**
 * What of a batch cannot be processed, moved to the dead letters. Before anything is forwarded: a failure here is retried, and
 * services must not get a message twice.
 */
import { GatewayError } from "../model/errors.ts";
import type { Lease } from "../model/lease.ts";
import type { DeadLetterReason } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import type { Traced } from "../model/trace.ts";
import type { Passage } from "./settle.ts";

export interface LetterPorts {
  readonly deadLetter: (reason: DeadLetterReason, messages: readonly RawMessage[]) => Promise<void>;
}

/** `aside`: what was moved already, by earlier attempts. */
export async function intoLetters(
  batch: readonly Passage[],
  lease: Lease,
  aside: Map<RawMessage, DeadLetterReason>,
  { deadLetter }: LetterPorts,
  trace: Traced,
): Promise<void> {
  const byReason = new Map<DeadLetterReason, RawMessage[]>();
  for (const { message, setAside } of batch) {
    if (setAside === undefined || aside.has(message)) continue;
    const messages = byReason.get(setAside);
    if (messages === undefined) byReason.set(setAside, [message]);
    else messages.push(message);
  }
  for (const [reason, messages] of byReason) {
    if (lease.over) throw new GatewayError("LEASE_LOST", "before setting aside");
    const move = () => deadLetter(reason, messages);
    await trace.step("dead letters", move, { messages: messages.length }).catch((error: unknown) => {
      // Without a cause: Redis errors may contain arguments.
      throw error instanceof GatewayError ? error : new GatewayError("NOT_DURABLE", "dead letter");
    });
    for (const message of messages) aside.set(message, reason);
  }
}
