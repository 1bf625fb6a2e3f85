/**
 * What happens to a batch after the queue:
 *
 *   leased → consented again → de-identified → stored → set aside → accounted → forwarded → settled
 *
 * The lease comes before the consent check and is given back after the last write: a withdrawal that
 * waits for older leases knows that nothing is under way any more. A batch whose sink is down waits
 * here, without a lease, and asks for consent anew each time it tries. Only while a write is in doubt,
 * sent and not answered, a lease is kept until it is known what became of it.
 */
import { type CheckConsent, type Grants, usableByAny } from "../model/consent.ts";
import type { AnalyticsRecord, Deidentified } from "../model/deidentified.ts";
import type { Outgoing } from "../model/disclosure.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceRef, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { Lease } from "../model/lease.ts";
import type { DeadLetterReason } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import type { Watch } from "../model/watch.ts";
import { Turns } from "../platform/turns.ts";
import { InDoubt, type InDoubtPorts } from "./in-doubt.ts";
import { isUnreadableKey, Patience } from "./patience.ts";
import { type Passage, type SettlePorts, settle } from "./settle.ts";

export interface PipelinePorts extends Omit<InDoubtPorts, "pause" | "mayAsk">, SettlePorts {
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
}

export class Pipeline {
  readonly #ports: PipelinePorts;
  readonly #patience: Patience;
  readonly #inDoubtPorts: InDoubtPorts;
  readonly #forwarding = new Turns();
  readonly #leaving = new Set<Promise<void>>();

  constructor(ports: PipelinePorts) {
    this.#ports = ports;
    this.#patience = new Patience(ports);
    this.#inDoubtPorts = {
      ...ports,
      pause: (ms, stop) => this.#patience.pause(ms, stop),
      mayAsk: (stop) => this.#patience.mayAsk(stop),
    };
  }

  /** True while a batch waits for a sink or for the consent store. */
  get waiting(): boolean {
    return this.#patience.waiting;
  }

  /** Resolves when all that was forwarded has left the process; no later than the leases end. Never rejects. */
  async left(): Promise<void> {
    await Promise.allSettled(this.#leaving);
  }

  /**
   * Settles every message, however long the sinks are away. Rejects when `stop` fires while it waits.
   * `begunBefore`: an earlier run had these messages and never told what it wrote of them. `watch` wraps each
   * attempt, but not the waiting between them.
   */
  async process(
    messages: readonly RawMessage[],
    stop: AbortSignal,
    begunBefore = false,
    watch: Watch = (attempt) => attempt(),
  ): Promise<void> {
    const doubt = new InDoubt(this.#inDoubtPorts, begunBefore);
    const aside = new Map<RawMessage, DeadLetterReason>();
    try {
      const batch = await this.#patience.until(messages.length, stop, async () => {
        await this.#patience.mayAsk(stop);
        const tried = await watch(() => this.#attempt(messages, doubt, aside));
        if (doubt.open) await doubt.settle(tried, stop);
        return tried;
      });
      settle(batch, this.#ports);
    } finally {
      doubt.abandon();
    }
  }

  /** Settles messages without processing them, the store is not asked: what consent still covers is set aside. Rejects as `process` does. */
  async setAside(reason: DeadLetterReason, messages: readonly RawMessage[], stop: AbortSignal): Promise<void> {
    const batch = await this.#patience.until(messages.length, stop, async () => {
      const batch = messages.map((message) => passageOf(message, undefined));
      const lease = await this.#ports.acquireLease();
      try {
        await this.#consented(batch);
        for (const passage of batch) if (passage.refusal === undefined) passage.setAside = reason;
        await this.#setAside(batch, lease, new Map());
      } finally {
        await lease.release();
      }
      return batch;
    });
    settle(batch, this.#ports);
  }

  /** `aside`: what earlier attempts with these messages have set aside. */
  async #attempt(
    messages: readonly RawMessage[],
    doubt: InDoubt,
    aside: Map<RawMessage, DeadLetterReason>,
  ): Promise<readonly Passage[]> {
    const batch = messages.map((message) => passageOf(message, aside.get(message)));
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
      await this.#setAside(batch, lease, aside);
      const forward = await this.#announced(batch);
      await turn.mine;
      if (lease.over) throw new GatewayError("LEASE_LOST", "before forwarding");
      try {
        forward();
      } finally {
        // Also of what was handed over before a fault: it leaves under this lease or not at all.
        left = this.#ports.left(lease.signal);
      }
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
    const open = batch.filter(({ setAside }) => setAside === undefined);
    for (const { message } of open) if (!devices.has(message.device)) devices.set(message.device, devices.size);
    const verdicts = await this.#ports.checkConsent([...devices.keys()]);
    for (const passage of open) {
      const verdict = verdicts[devices.get(passage.message.device) ?? -1];
      passage.verdict = verdict;
      if (verdict === undefined) passage.refusal = "no-consent";
      else if (verdict.refusal !== undefined) passage.refusal = verdict.refusal;
      else if (!usableByAny(verdict.grants, passage.message.carried)) passage.refusal = "purpose-denied";
    }
  }

  #deidentified(batch: readonly Passage[]): void {
    const wanted = this.#ports.wanted();
    const unreadable = new Set<SubjectTag>();
    let opened = false;
    for (const passage of batch) {
      const { message, verdict } = passage;
      if (passage.refusal !== undefined || verdict === undefined || verdict.refusal !== undefined) continue;
      try {
        passage.result = this.#ports.deidentify(message, verdict.grants & wanted, verdict.wrappedSubjectKey);
        opened ||= Object.keys(passage.result).length > 0;
      } catch (error) {
        passage.setAside = "pipeline-fault";
        if (isUnreadableKey(error)) unreadable.add(message.device.subjectTag);
      }
    }
    // One key that does not open is that subject's; when none does, ours is the wrong one.
    if (!opened && unreadable.size > 1) throw new GatewayError("SUBJECT_KEY_UNREADABLE", "all of a batch");
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
      // With nobody left who writes, nobody would find out that the store is back.
      if (!doubt.open && this.#ports.breaker.state === "closed") return;
      await this.#ports.askStore(lease.signal);
      this.#ports.breaker.passed();
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
  }

  /** Nobody is given anything before the account says so; until then nothing is given to anybody. */
  async #announced(batch: readonly Passage[]): Promise<() => void> {
    const passages: Passage[] = [];
    const outgoing: Outgoing[] = [];
    for (const passage of batch) {
      const { message, verdict, result, setAside } = passage;
      // Where nobody listens nothing was made for anybody, and a message costs nothing here.
      if (result === undefined || !forServices(result)) continue;
      if (setAside !== undefined || verdict === undefined || verdict.refusal !== undefined) continue;
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

  /** Before anything is forwarded: what fails here is tried again, and services must not get it twice. */
  async #setAside(batch: readonly Passage[], lease: Lease, aside: Map<RawMessage, DeadLetterReason>): Promise<void> {
    const byReason = new Map<DeadLetterReason, RawMessage[]>();
    for (const { message, setAside } of batch) {
      if (setAside === undefined || aside.has(message)) continue;
      const messages = byReason.get(setAside);
      if (messages === undefined) byReason.set(setAside, [message]);
      else messages.push(message);
    }
    for (const [reason, messages] of byReason) {
      if (lease.over) throw new GatewayError("LEASE_LOST", "before setting aside");
      await this.#ports.deadLetter(reason, messages).catch((error: unknown) => {
        // Without a cause: errors of Redis may hold arguments.
        throw error instanceof GatewayError ? error : new GatewayError("NOT_DURABLE", "dead letter");
      });
      for (const message of messages) aside.set(message, reason);
    }
  }
}

function passageOf(message: RawMessage, setAside: DeadLetterReason | undefined): Passage {
  return { message, verdict: undefined, result: undefined, refusal: undefined, setAside, forwarded: false };
}

function forServices({ weather, scene, network }: Deidentified): boolean {
  return weather !== undefined || scene !== undefined || network !== undefined;
}
