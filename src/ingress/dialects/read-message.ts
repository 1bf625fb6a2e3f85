/** One message that a dialect has read, as it passes through admission. */
import type { Refusal } from "../../model/outcome.ts";
import { PARTS } from "../../model/raw.ts";
import { Inbound, NOTHING } from "../admission/inbound.ts";
import type { Read } from "./publication-reader.ts";

const TELEMETRY = PARTS.indexOf("telemetry");

export interface ReadMessageOptions {
  readonly expiresAfterMs?: number;
  /** Its publication is acknowledged. */
  readonly isAnswered?: boolean;
}

export class ReadMessage extends Inbound {
  readonly isAnswered: boolean;
  readonly #finished: (refusal: Refusal | undefined) => void;

  constructor(
    { publisher, message, refusal, rule }: Read,
    finished: (refusal: Refusal | undefined) => void,
    { expiresAfterMs = Number.POSITIVE_INFINITY, isAnswered = false }: ReadMessageOptions = {},
  ) {
    const text = message === undefined ? "" : JSON.stringify(message.telemetry);
    super(publisher, TELEMETRY, NOTHING, text.length);
    this.text = text;
    this.unread = message?.telemetry;
    this.telemetry = message?.telemetry;
    this.hasCounters = message?.hasCounters === true;
    this.refusal = refusal;
    this.rule = rule;
    this.isAnswered = isAnswered;
    this.expiresAt = this.startedAt + expiresAfterMs;
    this.#finished = finished;
  }

  finish(): void {
    this.#finished(this.refusal);
  }
}
