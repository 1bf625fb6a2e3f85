/**
 * The hot path, from a message of a device to its answer, whichever protocol brought it:
 *
 *   bounded → addressed → paced → parsed → valid → unambiguous → impersonal → known → timed → bound   (one message, no I/O)
 *     → consented → counted → durable → finished                               (a batch, one round trip each)
 *
 * A step (steps.ts) answers with a refusal or lets the message pass. Refused messages travel in the same line,
 * because messages are finished in the order they came: MQTT wants its PUBACKs so [MQTT-4.6.0-2].
 */
import { type CheckConsent, usableByAny } from "../../model/consent.ts";
import type { TracePort } from "../../model/console.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, DeviceRef } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import { type Books, OF_A_PERSON, type Refusal } from "../../model/outcome.ts";
import { carriedBy, PARTS, type RawTelemetry } from "../../model/raw.ts";
import type { AdmissionTraces, Traced } from "../../model/trace.ts";
import { GroupCommit, type GroupCommitOptions } from "../../platform/group-commit.ts";
import { UNTRACED } from "../../platform/untraced.ts";
import { Flow, type FlowLimits } from "./back-pressure.ts";
import { Counters } from "./counters.ts";
import { type Inbound, NOTHING } from "./inbound.ts";
import type { Publisher } from "./publisher.ts";
import { MessageSteps, type Step, type StepOptions, type StepPorts } from "./steps.ts";
import { noteWhereabouts, type WhereaboutsPorts } from "./whereabouts.ts";

export interface AdmissionOptions extends StepOptions {
  readonly commit: GroupCommitOptions;
  readonly limits: FlowLimits;
}

/**
 * One admitted message that goes into the queue: the payload text as it came, or without what was left out. What is left
 * out never rests, sealed or not.
 */
export interface Admitted {
  readonly ref: DeviceRef;
  readonly revision: number | undefined;
  /** Index into `PARTS`. */
  readonly part: number;
  readonly at: number;
  readonly sub: number;
  readonly text: string;
}

export interface AdmissionPorts extends StepPorts {
  readonly checkConsent: CheckConsent;
  /** Resolves when the messages are durable; with none, when something of the size of one is. */
  readonly enqueue: (
    messages: readonly Admitted[],
    signal: AbortSignal,
    queuedAt?: Traced["queuedAt"],
  ) => Promise<void>;
  /** Before a difference of the device's counters is told here: other gateways forget theirs. Rejects when Redis does not answer. */
  readonly hold: (device: DeviceKey) => Promise<void>;
  /** True while nothing can be made durable: the backlog is over its budget, or Redis does not write. */
  readonly held: () => boolean;
  /** After a fault: true once the same may be tried again, because nothing of it was kept. */
  readonly writableAgain: (error: unknown, signal: AbortSignal) => Promise<boolean>;
  readonly books: Books;
  readonly observe: StepPorts["observe"] & {
    batch(messages: number): void;
    pubackSeconds(seconds: number, count: number): void;
    /** Admitted messages that were taken for earlier ones sent again. */
    repeated(count: number): void;
  };
  readonly whereabouts: WhereaboutsPorts;
  /** Absent: nothing is traced. */
  readonly traces?: AdmissionTraces | undefined;
  /** Absent: no device can be followed. */
  readonly followed?: TracePort | undefined;
  readonly log: Log;
}

export class Admission {
  readonly #ports: AdmissionPorts;
  readonly flow: Flow;
  /** To be told when a device is bound again or has come from another gateway. */
  readonly counters: Counters;
  readonly #commit: GroupCommit<Inbound>;
  readonly #steps: readonly Step[];
  readonly #stepsOnceRead: readonly Step[];
  readonly #afterBatch: (() => void)[] = [];

  constructor(options: AdmissionOptions, ports: AdmissionPorts) {
    this.flow = new Flow(options.limits);
    this.#ports = ports;
    this.counters = new Counters((name) => options.vocabulary.get(name));
    this.#commit = new GroupCommit(options.commit, {
      flush: (batch, signal) => this.#admit(batch, signal),
      settle: (batch, error) => this.#finish(batch, error),
      held: ports.held,
    });
    const { whole, onceRead } = new MessageSteps(options, ports);
    this.#steps = whole;
    this.#stepsOnceRead = onceRead;
  }

  start(): void {
    this.#commit.start();
  }

  stop(): Promise<void> {
    return this.#commit.stop();
  }

  /** `send` is called whenever all messages of a batch are finished: for a protocol whose answers leave together. */
  afterBatch(send: () => void): void {
    this.#afterBatch.push(send);
  }

  /** Takes a message in; its `finish` is called once it is durable or refused, in order of arrival. */
  submit(inbound: Inbound): void {
    this.#ports.books.received(1);
    this.flow.arrived(inbound.publisher.connection, inbound.bytes);
    for (const step of this.#steps) {
      inbound.refusal = step(inbound);
      if (inbound.refusal !== undefined) break;
    }
    this.#add(inbound);
  }

  /**
   * The same for the messages of one publication that was read by a dialect: its telemetry is known, or why there is none. They
   * become durable together.
   */
  submitRead(inbounds: readonly Inbound[]): void {
    this.#ports.books.received(inbounds.length);
    for (const inbound of inbounds) {
      this.flow.arrived(inbound.publisher.connection, inbound.bytes);
      for (const step of this.#stepsOnceRead) {
        if (inbound.refusal !== undefined) break;
        inbound.refusal = step(inbound);
      }
      inbound.follows = inbound !== inbounds[0];
      this.#add(inbound);
    }
  }

  #add(inbound: Inbound): void {
    inbound.publisher.heard.at = inbound.receivedAt;
    inbound.json = undefined;
    inbound.unread = undefined;
    if (inbound.refusal !== undefined) keepNothing(inbound);
    // With counters in it, it waits until it is known which of them may be told.
    else if (!inbound.hasCounters) {
      if (inbound.changed) serialise(inbound, inbound.telemetry as RawTelemetry);
      inbound.telemetry = undefined;
    }
    this.#commit.add(inbound);
  }

  async #admit(batch: readonly Inbound[], signal: AbortSignal): Promise<void> {
    const trace = this.#ports.traces?.begun(batch) ?? UNTRACED;
    const told = { messages: batch.length };
    for (;;) {
      try {
        await trace.step("consent check", () => this.#consented(batch), told);
        if (!signal.aborted) await trace.step("queue write", () => this.#durable(batch, signal, trace), told);
        return;
      } catch (error) {
        // Kept waiting, its publishers stay connected. Consent is asked for again: it may be another one by then.
        if (!(await this.#ports.writableAgain(error, signal))) throw error;
      }
    }
  }

  async #consented(batch: readonly Inbound[]): Promise<void> {
    const asked = new Map<DeviceRef, number>();
    const now = performance.now();
    for (const inbound of batch) {
      // What was added in it is counted already, where it was tried before.
      if (inbound.refusal === undefined && inbound.counted === undefined && inbound.expiresAt < now)
        inbound.refusal = "expired";
      const { refusal, ref, publisher } = inbound;
      if (refusal !== undefined || ref === undefined) continue;
      if (!asked.has(ref)) asked.set(ref, asked.size);
      const { hub } = publisher;
      if (hub !== undefined && !asked.has(hub)) asked.set(hub, asked.size);
    }
    // Asked all the same, of no one, where the answer must not come sooner.
    if (asked.size === 0 && !batch.some(isCovered)) return;
    const verdicts = await this.#ports.checkConsent([...asked.keys()]);
    let counted: [Inbound, revision: number | undefined][] | undefined;
    for (const inbound of batch) {
      if (inbound.refusal !== undefined) continue;
      const verdict = verdicts[asked.get(inbound.ref as DeviceRef) ?? -1];
      noteWhereabouts(inbound, verdict, this.#ports.whereabouts);
      if (verdict === undefined) inbound.refusal = "no-consent";
      else if (verdict.refusal !== undefined) inbound.refusal = verdict.refusal;
      else if (isSilenced(inbound, verdicts, asked)) inbound.refusal = "consent-withdrawn";
      else if (!usableByAny(verdict.grants, inbound.carried)) inbound.refusal = "purpose-denied";
      else if (inbound.hasCounters) {
        counted ??= [];
        counted.push([inbound, verdict.revision]);
      } else inbound.revision = verdict.revision;
      // What was used while it may not be told is told by no later difference either.
      if (inbound.refusal !== undefined) this.counters.forget(inbound.publisher.key);
    }
    if (counted === undefined) return;
    await this.#held(counted.map(([{ publisher }]) => publisher));
    for (const [inbound, revision] of counted) this.#counted(inbound, revision);
  }

  /** What another gateway has told meanwhile must not be told again; only of devices with consent anything is noted. */
  async #held(publishers: readonly Publisher[]): Promise<void> {
    for (const publisher of publishers) {
      if (publisher.holds) continue;
      await this.#ports.hold(publisher.key);
      this.counters.forget(publisher.key);
      publisher.holds = true;
    }
  }

  /** Totals become differences, once: also when the batch is tried again, unless consent has changed in between. */
  #counted(inbound: Inbound, revision: number | undefined): void {
    const { ref, at, sub, startedAt, time, telemetry } = inbound;
    if (ref === undefined || telemetry?.status === undefined) return;
    if (inbound.counted !== undefined && inbound.revision === revision) return;
    inbound.revision = revision;
    const repeat = time?.repeat === true;
    const byDevice = telemetry.ts !== undefined && Math.trunc(telemetry.ts) === at;
    const { status: totals } = telemetry;
    const status = this.counters.differences({ ref, revision, at, sub, byDevice, startedAt, repeat, status: totals });
    inbound.counted = status ?? {};
    const left = { ...telemetry, status };
    inbound.carried = carriedBy(left);
    if (inbound.carried === 0) inbound.refusal = "not-taken";
    else serialise(inbound, left);
  }

  async #durable(batch: readonly Inbound[], signal: AbortSignal, { queuedAt }: Traced): Promise<void> {
    const admitted = batch.filter(isAdmitted);
    if (admitted.length > 0 || batch.some(isCovered)) await this.#ports.enqueue(admitted, signal, queuedAt);
  }

  #finish(batch: readonly Inbound[], error: unknown): void {
    let admitted = 0;
    let repeated = 0;
    const refused = new Map<Refusal, number>();
    for (const inbound of batch) {
      if (error !== undefined && (inbound.refusal === undefined || isCovered(inbound))) inbound.refusal = "not-durable";
      this.flow.finished(inbound.publisher.connection, inbound.bytes);
      if (inbound.refusal === undefined) {
        admitted += 1;
        if (inbound.time?.repeat === true) repeated += 1;
        continue;
      }
      refused.set(inbound.refusal, (refused.get(inbound.refusal) ?? 0) + 1);
      const { publisher, refusal: reason, rule } = inbound;
      if (reason !== "not-taken" && reason !== "not-durable") this.#ports.hint(publisher, { reason, rule });
      if (inbound.refusal === "not-durable" && inbound.counted !== undefined && inbound.ref !== undefined)
        this.counters.doubted(inbound.ref, inbound.at, inbound.sub, inbound.counted);
      // A batch that is not durable may be in the queue all the same; of any other refusal there is no row.
      if (inbound.refusal !== "not-durable" && inbound.time?.seen) inbound.time.seen.refused = true;
    }
    this.#ports.books.admitted(admitted);
    if (repeated > 0) this.#ports.observe.repeated(repeated);
    for (const [reason, count] of refused) this.#ports.books.refused(reason, count);
    if (error !== undefined) {
      const code = error instanceof GatewayError ? error.code : "NOT_DURABLE";
      this.#ports.log.warn("batch not durable, its publishers are disconnected", {
        code,
        count: batch.length,
        stage: "admission",
      });
    }
    const oldest = batch[0];
    if (oldest !== undefined)
      this.#ports.observe.pubackSeconds((performance.now() - oldest.startedAt) / 1000, batch.length);
    if (admitted > 0) this.#ports.observe.batch(admitted);
    const { followed } = this.#ports;
    if (followed !== undefined && followed.running > 0) for (const inbound of batch) follow(inbound, followed);
    for (const inbound of batch) {
      inbound.location = undefined;
      inbound.finish();
    }
    for (const send of this.#afterBatch) send();
    this.flow.release();
    this.#ports.traces?.ended(batch, admitted, error);
  }
}

/** Consent to a hub was withdrawn: until it is given again, nothing that speaks through it is used. */
function isSilenced(
  { publisher: { hub } }: Inbound,
  verdicts: Awaited<ReturnType<CheckConsent>>,
  asked: ReadonlyMap<DeviceRef, number>,
): boolean {
  return hub !== undefined && verdicts[asked.get(hub) ?? -1]?.refusal === "consent-withdrawn";
}

const TELEMETRY = PARTS.indexOf("telemetry");

/** As the contract writes it, whatever topic it came by. */
function serialise(inbound: Inbound, telemetry: RawTelemetry): void {
  inbound.text = JSON.stringify(telemetry);
  inbound.part = TELEMETRY;
}

/** It only keeps its place in the line. */
function keepNothing(inbound: Inbound): void {
  inbound.telemetry = undefined;
  inbound.location = undefined;
  inbound.weight = 0;
  inbound.text = "";
  inbound.payload = NOTHING;
}

/**
 * Refused for a reason that concerns a person: its acknowledgement must not come sooner than that of a message that is kept. So
 * where nothing of a batch is kept, as much is read and written for it, and it fails with it.
 */
function isCovered({ isAnswered, refusal, counted }: Inbound): boolean {
  return isAnswered && refusal !== undefined && (OF_A_PERSON.has(refusal) || counted !== undefined);
}

/** Of a message that may not be used, nothing is said. */
function follow({ publisher: { key }, refusal: reason, startedAt }: Inbound, trace: TracePort): void {
  const ms = performance.now() - startedAt;
  if (reason === undefined) trace.tell(key, { step: "admission", outcome: "admitted", ms });
  else if (!OF_A_PERSON.has(reason)) trace.tell(key, { step: "admission", outcome: "refused", reason, ms });
}

function isAdmitted(inbound: Inbound): inbound is Inbound & Admitted {
  return inbound.refusal === undefined && inbound.ref !== undefined;
}
