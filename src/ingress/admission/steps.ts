/**
 * What one message goes through by itself, without I/O: each step answers with a refusal, or notes in the message what it found and
 * lets it pass.
 */
import { isAscii, isUtf8 } from "node:buffer";
import type { Hint, HintedDevice } from "../../model/hint.ts";
import { bareJson, namesKeyTwice } from "../../model/json.ts";
import type { DropReason, Refusal, SecurityEvent } from "../../model/outcome.ts";
import { CONTRACT_KEYS, carriedBy, PARTS, type RawTelemetry, type Unread, validatePart } from "../../model/raw.ts";
import type { Writable } from "../../model/writable.ts";
import { namesAccount, type Vocabulary } from "../../vocabulary/vocabulary.ts";
import { type Inbound, NOTHING } from "./inbound.ts";
import { MessageTimes, type MessageTimesOptions, rowTimeKey } from "./message-times.ts";
import { carriesOwnId } from "./own-id.ts";

export interface StepOptions {
  readonly maxPayloadBytes: number;
  readonly times: MessageTimesOptions;
  /** Of it the key is made that makes the digits of row times. */
  readonly lookupKey: Buffer;
  readonly vocabulary: Vocabulary;
}

export interface StepPorts {
  readonly observe: {
    clockReplaced(): void;
    securityEvent(kind: SecurityEvent): void;
    /** A part of a `status` was left out. */
    propertyDropped(why: DropReason): void;
  };
  /** For the owner of the device: why something of it was refused or left out. */
  readonly hint: (device: HintedDevice, what: Hint) => void;
}

export type Step = (inbound: Inbound) => Refusal | undefined;

export class MessageSteps {
  readonly #options: StepOptions;
  readonly #ports: StepPorts;
  readonly #times: MessageTimes;
  /** The device whose `status` is being read. */
  #reading: HintedDevice | undefined;

  constructor(options: StepOptions, ports: StepPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#times = new MessageTimes(options.times, rowTimeKey(options.lookupKey), () => ports.observe.clockReplaced());
  }

  get whole(): readonly Step[] {
    return [
      this.#bounded,
      addressed,
      paced,
      this.#parsed,
      this.#valid,
      unambiguous,
      this.#impersonal,
      this.#known,
      this.#timed,
      bound,
    ];
  }

  /** For what a dialect has read. */
  get onceRead(): readonly Step[] {
    return [this.#impersonal, this.#timed, bound];
  }

  readonly #bounded: Step = (inbound) => (inbound.bytes > this.#options.maxPayloadBytes ? "too-large" : undefined);

  readonly #parsed: Step = (inbound) => {
    const { payload } = inbound;
    // Most payloads are ASCII, which needs no decoding; anything else must be well-formed UTF-8.
    if (isAscii(payload)) inbound.text = bareJson(payload.toString("latin1"));
    else if (isUtf8(payload)) inbound.text = bareJson(payload.toString("utf8"));
    else return "invalid-payload";
    inbound.payload = NOTHING;
    try {
      inbound.json = JSON.parse(inbound.text);
    } catch {
      return "invalid-payload";
    }
    return undefined;
  };

  readonly #valid: Step = (inbound) => {
    const part = PARTS[inbound.part];
    inbound.unread = part && validatePart(part, inbound.json);
    if (inbound.unread !== undefined) return undefined;
    if (namesAccount(inbound.json, CONTRACT_KEYS)) this.#ports.observe.securityEvent("account-key");
    return "invalid-payload";
  };

  /** A device that writes its own id into what it says would carry it past the pseudonym. */
  readonly #impersonal: Step = (inbound) => {
    const { own } = inbound.publisher;
    const carries = own !== undefined && carriesOwnId(own, inbound.unread as Unread, this.#options.vocabulary);
    return carries ? "invalid-payload" : undefined;
  };

  /** Takes what the vocabulary knows; the rest is left out here and goes no further. */
  readonly #known: Step = (inbound) => {
    const telemetry: Writable<Unread> = inbound.unread as Unread;
    if (telemetry.status !== undefined) {
      this.#reading = inbound.publisher;
      const taken = this.#options.vocabulary.take(telemetry.status, this.#dropped);
      // It would hold the last connection that has published.
      this.#reading = undefined;
      if (taken === "account-key") this.#ports.observe.securityEvent("account-key");
      if (typeof taken === "string") return "invalid-payload";
      inbound.changed = taken.changed;
      inbound.hasCounters = taken.hasCounters;
      // The schema has made this object for this message alone; a copy would cost more than all that is done to it.
      telemetry.status = taken.status;
    }
    inbound.telemetry = telemetry as RawTelemetry;
    return carriedBy(telemetry) === 0 ? "nothing-known" : undefined;
  };

  /** One function for all messages: it may be called for each of their keys. */
  readonly #dropped = (why: DropReason, path?: string): void => {
    this.#ports.observe.propertyDropped(why);
    // What no table names has no name that may be told.
    if (path !== undefined && this.#reading !== undefined) this.#ports.hint(this.#reading, { reason: why, path });
  };

  readonly #timed: Step = (inbound) => {
    const telemetry = inbound.telemetry as RawTelemetry;
    const time = this.#times.fix(inbound, telemetry);
    inbound.time = time;
    inbound.at = time.at;
    inbound.sub = time.sub;
    inbound.carried = carriedBy(telemetry);
    inbound.location = telemetry.location;
    return undefined;
  };
}

const addressed: Step = ({ part }) => (part === -1 ? "invalid-topic" : undefined);

const paced: Step = (inbound) => (inbound.publisher.bucket.take(inbound.receivedAt) ? undefined : "over-rate");

/** One reader would take the first of two equal keys and the next one the last. */
const unambiguous: Step = (inbound) => (namesKeyTwice(inbound.text, inbound.json) ? "invalid-payload" : undefined);

const bound: Step = (inbound) => (inbound.ref === undefined ? "unknown-device" : undefined);
