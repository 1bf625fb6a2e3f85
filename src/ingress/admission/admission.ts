/**
 * The hot path, from a PUBLISH of a device to its PUBACK:
 *
 *   bounded → addressed → paced → parsed → valid → unambiguous → impersonal → timed → bound   (one message, no I/O)
 *     → consented → durable → acknowledged                                     (a batch, one round trip each)
 *
 * A step answers with a refusal or lets the message pass. Refused messages travel in the same line,
 * because PUBACKs must leave in the order the messages came [MQTT-4.6.0-2].
 */
import { isAscii, isUtf8 } from "node:buffer";
import { type CheckConsent, usableByAny } from "../../model/consent.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceRef } from "../../model/ids.ts";
import { bareJson, namesKeyTwice } from "../../model/json.ts";
import type { Log } from "../../model/log.ts";
import type { Books, Refusal, SecurityEvent } from "../../model/outcome.ts";
import { carriedBy, namesPerson, PARTS, type RawTelemetry, validatePart } from "../../model/raw.ts";
import { GroupCommit, type GroupCommitOptions } from "../../platform/group-commit.ts";
import type { Flow } from "../mqtt/back-pressure.ts";
import { acknowledge } from "../mqtt/puback.ts";
import { type Attempt, NOTHING } from "./in-flight-message.ts";
import { MessageTimes, type MessageTimesOptions } from "./message-times.ts";
import { carriesOwnId } from "./own-id.ts";

export interface AdmissionOptions {
  readonly maxPayloadBytes: number;
  readonly commit: GroupCommitOptions;
  readonly times: MessageTimesOptions;
  /** Makes the digits of row times; see `rowTimeKey`. */
  readonly timeKey: Buffer;
}

/** One admitted message on its way into the queue: the payload text as it came, never parsed again here. */
export interface Admitted {
  readonly ref: DeviceRef;
  readonly revision: number | undefined;
  /** Index into `PARTS`. */
  readonly part: number;
  readonly at: number;
  readonly sub: number;
  readonly text: string;
}

export interface AdmissionPorts {
  readonly checkConsent: CheckConsent;
  /** Resolves when the messages are durable. */
  readonly enqueue: (messages: readonly Admitted[], signal: AbortSignal) => Promise<void>;
  /** True while nothing can be made durable: the backlog is over its budget, or Redis does not write. */
  readonly held: () => boolean;
  /** After a fault: true once the same may be tried again, because nothing of it was kept. */
  readonly writableAgain: (error: unknown, signal: AbortSignal) => Promise<boolean>;
  readonly books: Books;
  readonly observe: {
    batch(messages: number): void;
    pubackSeconds(seconds: number, count: number): void;
    clockReplaced(): void;
    /** Admitted messages that were taken for earlier ones sent again. */
    repeated(count: number): void;
    securityEvent(kind: SecurityEvent): void;
  };
  readonly log: Log;
}

type Step = (attempt: Attempt) => Refusal | undefined;

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #ports: AdmissionPorts;
  readonly #flow: Flow;
  readonly #times: MessageTimes;
  readonly #commit: GroupCommit<Attempt>;
  readonly #steps: readonly Step[];

  constructor(options: AdmissionOptions, flow: Flow, ports: AdmissionPorts) {
    this.#options = options;
    this.#flow = flow;
    this.#ports = ports;
    this.#times = new MessageTimes(options.times, options.timeKey, () => ports.observe.clockReplaced());
    this.#commit = new GroupCommit(options.commit, {
      flush: (batch, signal) => this.#admit(batch, signal),
      settle: (batch, error) => this.#settle(batch, error),
      held: ports.held,
    });
    this.#steps = [
      this.#bounded,
      this.#addressed,
      paced,
      this.#parsed,
      this.#valid,
      unambiguous,
      impersonal,
      this.#timed,
      bound,
    ];
  }

  start(): void {
    this.#commit.start();
  }

  stop(): Promise<void> {
    return this.#commit.stop();
  }

  /** Messages received and not yet settled. */
  get inFlight(): number {
    return this.#flow.messages;
  }

  /** Takes a message in; `attempt.done` is called once it is settled, in order of arrival. */
  submit(attempt: Attempt): void {
    this.#ports.books.received(1);
    this.#flow.arrived(attempt.session, attempt.bytes);
    for (const step of this.#steps) {
      attempt.refusal = step(attempt);
      if (attempt.refusal !== undefined) break;
    }
    attempt.json = undefined;
    attempt.telemetry = undefined;
    if (attempt.refusal !== undefined) keepNothing(attempt);
    this.#commit.add(attempt);
  }

  readonly #bounded: Step = (attempt) => (attempt.bytes > this.#options.maxPayloadBytes ? "too-large" : undefined);

  readonly #addressed: Step = (attempt) => {
    attempt.part = attempt.session.topics.get(attempt.topic) ?? -1;
    if (attempt.part !== -1) return undefined;
    this.#ports.observe.securityEvent("foreign-topic");
    return "invalid-topic";
  };

  readonly #parsed: Step = (attempt) => {
    const { payload } = attempt;
    // Most payloads are ASCII, which needs no decoding; anything else must be well-formed UTF-8.
    if (isAscii(payload)) attempt.text = bareJson(payload.toString("latin1"));
    else if (isUtf8(payload)) attempt.text = bareJson(payload.toString("utf8"));
    else return "invalid-payload";
    attempt.payload = NOTHING;
    try {
      attempt.json = JSON.parse(attempt.text);
    } catch {
      return "invalid-payload";
    }
    return undefined;
  };

  readonly #valid: Step = (attempt) => {
    const part = PARTS[attempt.part];
    attempt.telemetry = part && validatePart(part, attempt.json);
    if (attempt.telemetry !== undefined) return undefined;
    if (namesPerson(attempt.json)) this.#ports.observe.securityEvent("account-key");
    return "invalid-payload";
  };

  readonly #timed: Step = (attempt) => {
    const telemetry = attempt.telemetry as RawTelemetry;
    const { part, text, receivedAt, startedAt } = attempt;
    const { key: device, order } = attempt.session;
    const time = this.#times.fix({ device, order, telemetry, part, text, receivedAt, startedAt });
    attempt.time = time;
    attempt.at = time.at;
    attempt.sub = time.sub;
    attempt.carried = carriedBy(telemetry);
    return undefined;
  };

  async #admit(batch: readonly Attempt[], signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#consented(batch);
        if (!signal.aborted) await this.#durable(batch, signal);
        return;
      } catch (error) {
        // Kept waiting, its publishers stay connected. Consent is asked for anew: it may be another one by then.
        if (!(await this.#ports.writableAgain(error, signal))) throw error;
      }
    }
  }

  async #consented(batch: readonly Attempt[]): Promise<void> {
    const asked = new Map<DeviceRef, number>();
    for (const { refusal, ref } of batch) {
      if (refusal === undefined && ref !== undefined && !asked.has(ref)) asked.set(ref, asked.size);
    }
    if (asked.size === 0) return;
    const verdicts = await this.#ports.checkConsent([...asked.keys()]);
    for (const attempt of batch) {
      if (attempt.refusal !== undefined) continue;
      const verdict = verdicts[asked.get(attempt.ref as DeviceRef) ?? -1];
      if (verdict === undefined) attempt.refusal = "no-consent";
      else if (verdict.refusal !== undefined) attempt.refusal = verdict.refusal;
      else if (!usableByAny(verdict.grants, attempt.carried)) attempt.refusal = "purpose-denied";
      else attempt.revision = verdict.revision;
    }
  }

  async #durable(batch: readonly Attempt[], signal: AbortSignal): Promise<void> {
    const admitted = batch.filter(isAdmitted);
    if (admitted.length > 0) await this.#ports.enqueue(admitted, signal);
  }

  #settle(batch: readonly Attempt[], error: unknown): void {
    let admitted = 0;
    let repeated = 0;
    const refused = new Map<Refusal, number>();
    for (const attempt of batch) {
      if (error !== undefined && attempt.refusal === undefined) attempt.refusal = "not-durable";
      this.#flow.settled(attempt.session, attempt.bytes);
      if (attempt.refusal === undefined) {
        admitted += 1;
        if (attempt.time?.repeat === true) repeated += 1;
        continue;
      }
      refused.set(attempt.refusal, (refused.get(attempt.refusal) ?? 0) + 1);
      // A batch that is not durable may be in the queue all the same; of any other refusal there is no row.
      if (attempt.refusal !== "not-durable" && attempt.time?.seen) attempt.time.seen.refused = true;
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
    acknowledge(batch);
    this.#flow.release();
  }
}

const paced: Step = (attempt) => (attempt.session.bucket.take(attempt.receivedAt) ? undefined : "over-rate");

/** One reader would take the first of two equal keys and the next one the last. */
const unambiguous: Step = (attempt) => (namesKeyTwice(attempt.text, attempt.json) ? "invalid-payload" : undefined);

/** A device that writes its own id into what it says would carry it past the pseudonym. */
const impersonal: Step = (attempt) => {
  const { own } = attempt.session;
  const carries = own !== undefined && carriesOwnId(own, attempt.telemetry as RawTelemetry);
  return carries ? "invalid-payload" : undefined;
};

const bound: Step = (attempt) => (attempt.ref === undefined ? "unknown-device" : undefined);

/** It only keeps its place in the line. */
function keepNothing(attempt: Attempt): void {
  attempt.weight = 0;
  attempt.text = "";
  attempt.payload = NOTHING;
}

function isAdmitted(attempt: Attempt): attempt is Attempt & Admitted {
  return attempt.refusal === undefined && attempt.ref !== undefined;
}
