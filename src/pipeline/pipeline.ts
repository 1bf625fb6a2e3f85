/**
 * What happens to a batch after the queue:
 *
 *   leased → consented again → de-identified → stored → accounted → forwarded → set aside → settled
 *
 * The lease comes before the consent check and is given back after the last write: a withdrawal that
 * waits for older leases knows that nothing is under way any more. A batch whose sink is down waits
 * here, without a lease, and asks for consent anew each time it tries. Only while a write is in doubt,
 * sent and not answered, a lease is kept until it is known what became of it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type CheckConsent, type Grants, usableByAny, type Verdict } from "../model/consent.ts";
import type { AnalyticsRecord, Deidentified } from "../model/deidentified.ts";
import type { Outgoing } from "../model/disclosure.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceRef, Pseudonym } from "../model/ids.ts";
import type { Books, DeadLetterReason, Refusal } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import { Turns } from "../platform/turns.ts";
import { InDoubt, type InDoubtPorts, type KeepableLease } from "./in-doubt.ts";
import type { Samples, Settled } from "./samples.ts";

export interface Lease extends KeepableLease {
  /** Aborts before the lease ends, early enough for a write under way to be broken off. */
  readonly signal: AbortSignal;
  /** As the signal says, by the clock: after a stall of the process the signal comes late. */
  readonly over: boolean;
}

export interface PipelinePorts extends Omit<InDoubtPorts, "pause"> {
  readonly acquireLease: () => Promise<Lease>;
  readonly checkConsent: CheckConsent;
  /** The purposes anybody has a use for right now: what nobody would get is not made. */
  readonly wanted: () => Grants;
  /**
   * Definite: resolves when the store has every record but the rejected ones (indexes into `records`). Rejects
   * with an error `inDoubt` when some may be stored later.
   */
  readonly store: (
    records: readonly AnalyticsRecord[],
    signal: AbortSignal,
  ) => Promise<{ readonly rejected: readonly number[] }>;
  /**
   * Puts on the account of disclosures whoever is entitled and listening. Resolves with what delivers it to them,
   * which tells for each message whether anybody got it. Rejects with a retryable `GatewayError`.
   */
  readonly announce: (batch: readonly Outgoing[]) => Promise<() => readonly boolean[]>;
  /**
   * What was delivered since the last call: resolves once it has left the process, or was thrown away when the
   * signal fired. `undefined` when there is nothing to wait for.
   */
  readonly left: (signal: AbortSignal) => Promise<void> | undefined;
  /** A scene service may answer this pseudonym with a command. */
  readonly addressable: (pseudonym: Pseudonym, device: DeviceRef) => void;
  readonly deadLetter: (reason: DeadLetterReason, messages: readonly RawMessage[]) => Promise<void>;
  readonly stored: (records: readonly AnalyticsRecord[]) => void;
  readonly books: Books;
  /** People who watch what becomes of their own messages. */
  readonly samples: Pick<Samples, "watching" | "offer">;
}

/** One message of a batch on its way through. */
interface Passage {
  readonly message: RawMessage;
  verdict: Verdict | undefined;
  result: Deidentified | undefined;
  refusal: Refusal | undefined;
  setAside: DeadLetterReason | undefined;
  forwarded: boolean;
}

const RETRY_MS = 250;

export class Pipeline {
  readonly #ports: PipelinePorts;
  readonly #inDoubtPorts: InDoubtPorts;
  readonly #forwarding = new Turns();
  readonly #leaving = new Set<Promise<void>>();
  #waiting = 0;

  constructor(ports: PipelinePorts) {
    this.#ports = ports;
    this.#inDoubtPorts = { ...ports, pause: (ms, stop) => this.#pause(ms, stop) };
  }

  /** True while a batch waits for a sink or for the consent store. */
  get waiting(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves when all that was forwarded has left the process; no later than the leases end. Never rejects. */
  async left(): Promise<void> {
    await Promise.allSettled(this.#leaving);
  }

  /**
   * Settles every message, however long the sinks are away. Rejects when `stop` fires while it waits.
   * `begunBefore`: an earlier run had these messages and never told what it wrote of them.
   */
  async process(messages: readonly RawMessage[], stop: AbortSignal, begunBefore = false): Promise<void> {
    const doubt = new InDoubt(this.#inDoubtPorts, begunBefore);
    try {
      for (;;) {
        await this.#pause(this.#ports.breaker.waitMs(), stop);
        try {
          const batch = await this.#attempt(messages, doubt);
          if (doubt.open) await doubt.settle(batch, stop);
          this.#settled(batch);
          return;
        } catch (error) {
          if (!(error instanceof GatewayError) || !error.retryable) throw error;
          this.#ports.log.warn("batch waits and will be tried again", { code: error.code, count: messages.length });
          if (error.code === "SINK_UNAVAILABLE" || error.code === "SINK_DENIED")
            this.#ports.breaker.failed(error.retryAfterMs);
          else await this.#pause(RETRY_MS, stop);
        }
      }
    } finally {
      doubt.abandon();
    }
  }

  async #pause(ms: number, stop: AbortSignal): Promise<void> {
    stop.throwIfAborted();
    if (ms <= 0) return;
    this.#waiting += 1;
    try {
      await sleep(ms, undefined, { signal: stop });
    } finally {
      this.#waiting -= 1;
    }
  }

  async #attempt(messages: readonly RawMessage[], doubt: InDoubt): Promise<readonly Passage[]> {
    const batch = messages.map(
      (message): Passage => ({
        message,
        verdict: undefined,
        result: undefined,
        refusal: undefined,
        setAside: undefined,
        forwarded: false,
      }),
    );
    // Batches are written side by side; what services hear of a device must keep its order all the same.
    const turn = this.#forwarding.enter();
    let left: Promise<void> | undefined;
    const lease = await this.#ports.acquireLease().catch((error: unknown) => {
      turn.leave();
      throw error;
    });
    try {
      if (doubt.begunBefore) await doubt.keep(lease, messages);
      await this.#consented(batch);
      this.#deidentified(batch);
      await this.#stored(batch, lease, doubt);
      const forward = await this.#announced(batch);
      await turn.mine;
      if (lease.over) throw new GatewayError("LEASE_LOST", "before forwarding");
      forward();
      left = this.#ports.left(lease.signal);
      await this.#setAside(batch);
    } finally {
      turn.leave();
      await this.#release(lease, left, doubt);
    }
    return batch;
  }

  /** The lease ends when everything forwarded under it has left the process; the next pass does not wait for that. */
  async #release(lease: Lease, left: Promise<void> | undefined, doubt: InDoubt): Promise<void> {
    if (doubt.keeps(lease)) await left;
    else if (left === undefined) await lease.release();
    else {
      const released = left.then(() => lease.release()).finally(() => this.#leaving.delete(released));
      this.#leaving.add(released);
    }
  }

  async #consented(batch: readonly Passage[]): Promise<void> {
    const devices = new Map<DeviceRef, number>();
    for (const { message } of batch) if (!devices.has(message.device)) devices.set(message.device, devices.size);
    const verdicts = await this.#ports.checkConsent([...devices.keys()]);
    for (const passage of batch) {
      const verdict = verdicts[devices.get(passage.message.device) ?? -1];
      passage.verdict = verdict;
      if (verdict === undefined) passage.refusal = "no-consent";
      else if (verdict.refusal !== undefined) passage.refusal = verdict.refusal;
      else if (!usableByAny(verdict.grants, passage.message.carried)) passage.refusal = "purpose-denied";
    }
  }

  #deidentified(batch: readonly Passage[]): void {
    const wanted = this.#ports.wanted();
    for (const passage of batch) {
      const { message, verdict } = passage;
      if (passage.refusal !== undefined || verdict === undefined || verdict.refusal !== undefined) continue;
      try {
        passage.result = this.#ports.deidentify(message, verdict.grants & wanted, verdict.wrappedSubjectKey);
      } catch {
        passage.setAside = "pipeline-fault";
      }
    }
  }

  async #stored(batch: readonly Passage[], lease: Lease, doubt: InDoubt): Promise<void> {
    const passages: Passage[] = [];
    const records: AnalyticsRecord[] = [];
    for (const passage of batch) {
      if (passage.result?.analytics === undefined) continue;
      passages.push(passage);
      records.push(passage.result.analytics);
    }
    if (records.length === 0) {
      if (doubt.open) await this.#ports.askStore(lease.signal);
      return;
    }
    const { rejected } = await this.#ports.store(records, lease.signal).catch(async (error: unknown) => {
      if (error instanceof GatewayError && error.inDoubt) await doubt.add(lease, passages);
      throw error;
    });
    this.#ports.breaker.passed();
    if (lease.over) {
      // The process stood still: a withdrawal may have been answered before the store carried this out.
      await doubt.add(lease, passages);
      throw new GatewayError("LEASE_LOST", "while the store was writing");
    }
    for (const index of rejected) {
      const passage = passages[index];
      if (passage !== undefined) passage.setAside = "sink-rejected";
    }
    this.#ports.stored(rejected.length === 0 ? records : records.filter((_, index) => !rejected.includes(index)));
  }

  /** Nobody is given anything before the account says so; until then nothing is given to anybody. */
  async #announced(batch: readonly Passage[]): Promise<() => void> {
    const passages: Passage[] = [];
    const outgoing: Outgoing[] = [];
    for (const passage of batch) {
      const { message, verdict, result, setAside } = passage;
      if (result === undefined || setAside !== undefined || verdict === undefined || verdict.refusal !== undefined)
        continue;
      passages.push(passage);
      outgoing.push({ subject: message.device.subjectTag, revision: verdict.revision ?? 0, result });
    }
    const deliver = await this.#ports.announce(outgoing);
    return () => {
      for (const { message, result } of passages) {
        if (result?.scene !== undefined) this.#ports.addressable(result.scene.device, message.device);
      }
      for (const [index, delivered] of deliver().entries()) {
        const passage = passages[index];
        if (passage !== undefined) passage.forwarded = delivered;
      }
    };
  }

  async #setAside(batch: readonly Passage[]): Promise<void> {
    const byReason = new Map<DeadLetterReason, RawMessage[]>();
    for (const { message, setAside } of batch) {
      if (setAside === undefined) continue;
      const messages = byReason.get(setAside);
      if (messages === undefined) byReason.set(setAside, [message]);
      else messages.push(message);
    }
    for (const [reason, messages] of byReason) {
      await this.#ports.deadLetter(reason, messages);
      this.#ports.books.deadLettered(reason, messages.length);
    }
  }

  #settled(batch: readonly Passage[]): void {
    const { books } = this.#ports;
    let stored = 0;
    let forwardedOnly = 0;
    const refused = new Map<Refusal, number>();
    for (const { result, refusal, setAside, forwarded } of batch) {
      if (setAside !== undefined) continue;
      if (refusal === undefined && result?.analytics !== undefined) stored += 1;
      else if (refusal === undefined && forwarded) forwardedOnly += 1;
      else refused.set(refusal ?? "no-recipient", (refused.get(refusal ?? "no-recipient") ?? 0) + 1);
    }
    books.stored(stored);
    books.forwardedOnly(forwardedOnly);
    for (const [reason, count] of refused) books.refused(reason, count);
    const { samples } = this.#ports;
    if (!samples.watching) return;
    for (const passage of batch) samples.offer(passage.message.device, () => settledOf(passage));
  }
}

/** `undefined` for a message that was refused: nothing of it is used. */
function settledOf({ message, verdict, result, refusal, setAside, forwarded }: Passage): Settled | undefined {
  if (refusal !== undefined || verdict === undefined || verdict.refusal !== undefined) return undefined;
  return { message, grants: verdict.grants, result, stored: setAside === undefined, forwarded };
}
