/** The end of a pass: each message is counted exactly once, by its outcome, and watchers are notified. */
import type { Verdict } from "../model/consent.ts";
import type { TracePort } from "../model/console.ts";
import type { Deidentified } from "../model/deidentified.ts";
import type { Books, DeadLetterReason, Refusal } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import type { Samples, Settled } from "./samples.ts";

/** One message of a batch in the pipeline. */
export interface Passage {
  readonly message: RawMessage;
  verdict: Verdict | undefined;
  result: Deidentified | undefined;
  refusal: Refusal | undefined;
  setAside: DeadLetterReason | undefined;
  forwarded: boolean;
}

export interface SettlePorts {
  readonly books: Books;
  /** Watchers of their own devices' messages. */
  readonly samples: Pick<Samples, "watching" | "offer">;
  /** Absent: no device can be followed. */
  readonly followed?: TracePort | undefined;
}

export function settle(batch: readonly Passage[], { books, samples, followed }: SettlePorts): void {
  let stored = 0;
  let forwardedOnly = 0;
  const refused = new Map<Refusal, number>();
  const aside = new Map<DeadLetterReason, number>();
  for (const { result, refusal, setAside, forwarded } of batch) {
    if (setAside !== undefined) count(aside, setAside);
    else if (refusal !== undefined) count(refused, refusal);
    else if (result?.analytics !== undefined) stored += 1;
    else if (forwarded) forwardedOnly += 1;
    else count(refused, "no-recipient");
  }
  books.stored(stored);
  books.forwardedOnly(forwardedOnly);
  for (const [reason, many] of refused) books.refused(reason, many);
  for (const [reason, many] of aside) books.deadLettered(reason, many);
  if (followed !== undefined && followed.running > 0) for (const passage of batch) follow(passage, followed);
  if (!samples.watching) return;
  for (const passage of batch) samples.offer(passage.message.device, () => settledOf(passage));
}

/** Of a message that may not be used, nothing is said. */
function follow({ message, refusal, result, setAside: letter, forwarded }: Passage, trace: TracePort): void {
  const { deviceKey } = message.device;
  if (refusal !== undefined) return;
  if (letter !== undefined) trace.tell(deviceKey, { step: "letter", outcome: "dead-lettered", letter });
  else if (result?.analytics !== undefined) trace.tell(deviceKey, { step: "store", outcome: "stored" });
  if (forwarded) trace.tell(deviceKey, { step: "forward", outcome: "forwarded" });
}

function count<Reason>(counts: Map<Reason, number>, reason: Reason): void {
  counts.set(reason, (counts.get(reason) ?? 0) + 1);
}

/** `undefined` for a refused message: nothing of it is used. */
function settledOf({ message, verdict, result, refusal, setAside, forwarded }: Passage): Settled | undefined {
  if (refusal !== undefined || verdict === undefined || verdict.refusal !== undefined) return undefined;
  return { message, grants: verdict.grants, result, stored: setAside === undefined, forwarded };
}
