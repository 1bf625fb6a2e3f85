/**
 * What happens to a batch after the queue:
 *
 *   lease → consent check → de-identify → store → note in records → dead letters → crowds → account of disclosures → forward → outcome
 *
 * The lease is acquired before the consent check and released after the last write: once a withdrawal has waited for
 * older leases, no write of theirs is in progress any more. A batch whose sink is down waits here without a lease, and
 * checks consent again on each retry. Only for a write in doubt, sent but not answered, a lease is kept until its
 * result is known.
 */
import { type CheckConsent, type Grants, usableByAny } from "../model/consent.ts";
import type { AnalyticsRecord } from "../model/deidentified.ts";
import type { DeviceDelivery } from "../model/delivery.ts";
import type { Outgoing } from "../model/disclosure.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceRef, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { Lease, LeaseSource } from "../model/lease.ts";
import type { DeadLetterReason } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import type { SinkName } from "../model/sink.ts";
import type { Traced } from "../model/trace.ts";
import type { OfBatches } from "../model/watch.ts";
import { Turns } from "../platform/turns.ts";
import { UNTRACED } from "../platform/untraced.ts";
import { InDoubt, type InDoubtPorts } from "./in-doubt.ts";
import { type CrowdPorts, intoCrowds } from "./into-crowds.ts";
import { intoLetters, type LetterPorts } from "./into-letters.ts";
import { intoRecords, type RecordPorts } from "./into-records.ts";
import { isUnreadableKey, Patience } from "./patience.ts";
import { type Passage, type SettlePorts, settle } from "./settle.ts";

export interface PipelinePorts
  extends Omit<InDoubtPorts, "pause" | "mayAsk">,
    SettlePorts,
    RecordPorts,
    CrowdPorts,
    LetterPorts {
  readonly leases: LeaseSource;
  readonly checkConsent: CheckConsent;
  /** The purposes for which a recipient exists right now: nothing is made for the others. */
  readonly wanted: () => Grants;
  /**
   * Definite: resolves when the store has every record except the rejected ones (indexes into `records`). Rejects with
   * an error `inDoubt` when some may be stored later.
   */
  readonly store: (
    records: readonly AnalyticsRecord[],
    signal: AbortSignal,
  ) => Promise<{ readonly rejected: readonly number[] }>;
  /** What is written to, as a trace names it. */
  readonly sink: SinkName;
  readonly scene: DeviceDelivery;
  /** A scene service may answer this pseudonym with a command. */
  readonly addressable: { remember(pseudonym: Pseudonym, device: DeviceRef): void };
  /** Whether who consented to this version of the policy agreed that scene services hear which devices are of one home. */
  readonly tellsHomes: (policyVersion: number) => boolean;
  readonly commands: {
    /** How many commands led to what the device under this name says now; `undefined` when it was not commanded lately. */
    causeOf(pseudonym: Pseudonym): number | undefined;
  };
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

  /** Resolves when everything forwarded has left the process, at the latest when the leases end. Never rejects. */
  async left(): Promise<void> {
    await Promise.allSettled(this.#leaving);
  }

  /**
   * Brings every message to its outcome, however long the sinks are down. Rejects when `stop` fires while it waits, and when
   * `keep` says that the messages are another gateway's by now. `watch` wraps each attempt, but not the waiting between attempts.
   */
  async process(
    messages: readonly RawMessage[],
    stop: AbortSignal,
    { begunBefore = false, watch = (attempt) => attempt(), keep }: OfBatches = {},
    trace: Traced = UNTRACED,
  ): Promise<void> {
    const doubt = new InDoubt(this.#inDoubtPorts, begunBefore);
    const aside = new Map<RawMessage, DeadLetterReason>();
    try {
      const batch = await this.#patience.until(messages.length, stop, async () => {
        await this.#patience.mayAsk(stop);
        const tried = await watch(() => this.#attempt(messages, doubt, aside, keep, trace));
        if (doubt.open) await doubt.settle(tried, stop);
        return tried;
      });
      trace.step("settle", () => settle(batch, this.#ports), { messages: batch.length });
    } finally {
      doubt.abandon();
    }
  }

  /**
   * Moves messages to the dead letters without processing them and without the store, as far as consent still covers
   * them. Rejects as `process` does.
   */
  async setAside(reason: DeadLetterReason, messages: readonly RawMessage[], stop: AbortSignal): Promise<void> {
    const batch = await this.#patience.until(messages.length, stop, async () => {
      const batch = messages.map((message) => passageOf(message, undefined));
      const lease = await this.#ports.leases.acquire();
      try {
        await this.#consented(batch);
        for (const passage of batch) if (passage.refusal === undefined) passage.setAside = reason;
        await intoLetters(batch, lease, new Map(), this.#ports, UNTRACED);
      } finally {
        await lease.release();
      }
      return batch;
    });
    settle(batch, this.#ports);
  }

  /** `aside`: messages that earlier attempts of this batch have moved to the dead letters. */
  async #attempt(
    messages: readonly RawMessage[],
    doubt: InDoubt,
    aside: Map<RawMessage, DeadLetterReason>,
    keep: OfBatches["keep"],
    trace: Traced,
  ): Promise<readonly Passage[]> {
    const told = { messages: messages.length };
    const batch = messages.map((message) => passageOf(message, aside.get(message)));
    // Batches are written in parallel; services must still receive a device's messages in order.
    const turn = this.#forwarding.enter();
    let left: Promise<void> | undefined;
    const lease = await trace
      .step("lease", () => this.#ports.leases.acquire())
      .catch((error: unknown) => {
        turn.leave();
        throw error;
      });
    try {
      // Not before the lease: however long the process stands still from here on, one of the two is over first.
      await keep?.();
      if (doubt.begunBefore) await doubt.keep(lease, messages);
      await trace.step("consent check", () => this.#consented(batch), told);
      trace.step("de-identification", () => this.#deidentified(batch), told);
      await this.#stored(batch, lease, doubt, trace);
      if (lease.over) throw new GatewayError("LEASE_LOST", "before noting");
      await intoRecords(batch, this.#ports, trace);
      await intoLetters(batch, lease, aside, this.#ports, trace);
      await intoCrowds(batch, this.#ports, trace);
      const forward = await this.#announced(batch, trace);
      await turn.mine;
      if (lease.over) throw new GatewayError("LEASE_LOST", "before forwarding");
      try {
        forward();
      } finally {
        // Includes what was handed over before a fault: it leaves under this lease or not at all.
        left = this.#ports.scene.left(lease.signal);
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
        const { grants, wrappedSubjectKey, policyVersion = 0 } = verdict;
        const homes = this.#ports.tellsHomes(policyVersion);
        passage.result = this.#ports.deidentify(message, grants & wanted, wrappedSubjectKey, homes);
        opened ||= Object.keys(passage.result).length > 0;
      } catch (error) {
        passage.setAside = "pipeline-fault";
        if (isUnreadableKey(error)) unreadable.add(message.device.subjectTag);
      }
    }
    // One key that does not unwrap is that subject's problem; when none does, the master key is wrong.
    if (!opened && unreadable.size > 1) throw new GatewayError("SUBJECT_KEY_UNREADABLE", "all of a batch");
  }

  async #stored(batch: readonly Passage[], lease: Lease, doubt: InDoubt, trace: Traced): Promise<void> {
    const passages: Passage[] = [];
    const records: AnalyticsRecord[] = [];
    for (const passage of batch) {
      if (passage.result?.analytics === undefined) continue;
      passages.push(passage);
      records.push(passage.result.analytics);
    }
    if (records.length === 0) {
      // With no batch writing any more, no write would show that the store is back.
      if (!doubt.open && this.#ports.breaker.state === "closed") return;
      await this.#ports.askStore(lease.signal);
      this.#ports.breaker.passed();
      return;
    }
    const write = () => this.#ports.store(records, lease.signal);
    const told = { messages: records.length, sink: this.#ports.sink };
    const { rejected } = await trace.step("store write", write, told).catch(async (error: unknown) => {
      if (error instanceof GatewayError && error.inDoubt) await doubt.add(lease, passages);
      throw error;
    });
    this.#ports.breaker.passed();
    if (lease.over) {
      // The process was paused: a withdrawal may have been confirmed before the store applied this write.
      await doubt.add(lease, passages);
      throw new GatewayError("LEASE_LOST", "while the store was writing");
    }
    for (const index of rejected) {
      const passage = passages[index];
      if (passage !== undefined) passage.setAside = "sink-rejected";
    }
  }

  /** No recipient gets anything before the account contains it; until then nothing is forwarded at all. */
  async #announced(batch: readonly Passage[], trace: Traced): Promise<() => void> {
    const passages: Passage[] = [];
    const outgoing: Outgoing[] = [];
    for (const passage of batch) {
      const { message, verdict, result, setAside } = passage;
      // Without a connected recipient nothing was made for services, and the message costs nothing here.
      if (result?.scene === undefined) continue;
      if (setAside !== undefined || verdict === undefined || verdict.refusal !== undefined) continue;
      passages.push(passage);
      const cause = this.#ports.commands.causeOf(result.scene.device);
      const scene = cause === undefined ? result.scene : { ...result.scene, cause };
      outgoing.push({
        subject: message.device.subjectTag,
        revision: verdict.revision ?? 0,
        wrappedSubjectKey: verdict.wrappedSubjectKey,
        at: message.at,
        result: { scene },
      });
    }
    const told = { messages: outgoing.length, purpose: "scene" } as const;
    const deliver = await trace.step("account", () => this.#ports.scene.announce(outgoing), told);
    return () => {
      for (const { message, result } of passages) {
        if (result?.scene !== undefined) this.#ports.addressable.remember(result.scene.device, message.device);
      }
      for (const [index, delivered] of trace.step("forward", deliver, told).entries()) {
        const passage = passages[index];
        if (passage !== undefined && delivered) passage.forwarded = true;
      }
    };
  }
}

function passageOf(message: RawMessage, setAside: DeadLetterReason | undefined): Passage {
  return { message, verdict: undefined, result: undefined, refusal: undefined, setAside, forwarded: false };
}
