/**
 * The simulator's own record of every message it sent and every acknowledgement it got, kept in
 * memory. After a run it is compared with what the gateway counted and what the store holds.
 */

import type { Canary } from "./canary-forms.ts";
import type { Expectation, MessagePart } from "./expectation.ts";
import { LoopLog } from "./loop-log.ts";
import type { Standing } from "./population.ts";

export interface SentMessage {
  readonly seq: number;
  readonly standing: Standing | "hostile";
  readonly part: MessagePart;
  readonly qos: 0 | 1 | 2;
  readonly topic: string;
  readonly payload: string;
  /** Whether a stored row of it would carry `seq`. */
  readonly traceable: boolean;
  readonly expectation: Expectation;
  /** Unix ms. */
  readonly sentAt: number;
  /** Of a device that speaks a dialect. */
  readonly spoken?: Spoken;
  /** Unix ms of the PUBACK or PUBCOMP. */
  acknowledgedAt?: number;
  /** Without an acknowledgement of its own, but followed on the same connection by something that was answered. */
  read?: boolean;
}

export interface Spoken {
  readonly dialect: string;
  /** Of the connection, or behind it. */
  readonly device: string;
  /** What its row of `device_status` says, when it may have one. */
  readonly row?: string | undefined;
  /** The gateway made it, because the device came or went. */
  readonly byGateway?: true;
}

/** The gateway has it for certain. */
export function hasArrived({ acknowledgedAt, read }: SentMessage): boolean {
  return acknowledgedAt !== undefined || read === true;
}

export class SentLog {
  readonly messages: SentMessage[] = [];
  readonly canaries: Canary[] = [];
  /** What came back. */
  readonly loops = new LoopLog();
  /** PUBLISH to PUBACK, ms, QoS 1 alone. */
  readonly pubackMs: number[] = [];
  /** Messages the gateway may or may not have counted, beyond `messages`: wills, publishes that end a connection. */
  uncertain = 0;
  /** Of the first message; runs that share a store take numbers that do not overlap. */
  readonly firstSeq: number;
  #nextSeq: number;

  constructor(firstSeq = 1) {
    this.firstSeq = firstSeq;
    this.#nextSeq = firstSeq;
  }

  nextSeq(): number {
    return this.#nextSeq++;
  }

  add(message: SentMessage): void {
    this.messages.push(message);
  }

  acknowledged(message: SentMessage, durationMs: number): void {
    message.acknowledgedAt = Date.now();
    if (message.qos === 1) this.pubackMs.push(durationMs);
  }

  count(matches: (message: SentMessage) => boolean): number {
    let count = 0;
    for (const message of this.messages) if (matches(message)) count += 1;
    return count;
  }

  get acknowledgedCount(): number {
    return this.count((message) => message.acknowledgedAt !== undefined);
  }

  /** QoS 1 and 2 messages that still wait for their acknowledgement. */
  get unacknowledgedCount(): number {
    return this.count((message) => message.qos > 0 && message.acknowledgedAt === undefined);
  }
}

/** The value below which `share` of the samples lie, two decimals; NaN when there are none. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = Float64Array.from(samples).sort();
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return value === undefined ? Number.NaN : Math.round(value * 100) / 100;
}
