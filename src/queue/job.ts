/**
 * What BullMQ sees of a batch: a constant name, sealed bytes, and an id that is random except for a sequence number and
 * two counts. With the counts the depth of the queue can be computed without fetching or opening a batch; with the
 * number a worker restores the order of batches that it got out of order.
 */
import { randomBytes } from "node:crypto";
import type { JobsOptions } from "bullmq";
import type { Sealed } from "./envelope.ts";

export const JOB_NAME = "batch";
export const BATCH_SEAL = "batch";

export type JobData = Sealed;

/**
 * BullMQ keeps finished jobs forever by default. Acknowledged messages are retried forever: an attempt waits out
 * outages itself, so it ends early only on a fault, and the next one starts a second later.
 */
export const JOB_OPTIONS = {
  removeOnComplete: true,
  removeOnFail: false,
  attempts: 1_000_000_000,
  backoff: { type: "fixed", delay: 1000 },
  stackTraceLimit: 0,
} as const satisfies JobsOptions;

export interface JobSize {
  readonly messages: number;
  readonly bytes: number;
}

/** Position of a batch among those of the same producer. */
export interface JobPlace {
  readonly origin: string;
  /** Increases by one with every batch of the origin. */
  readonly number: number;
  /** Part of a split batch: `ab` is the second half of its first half. Empty for a whole batch. */
  readonly part: string;
}

export const HALVES = ["a", "b"] as const;

/**
 * Ids of one producer, in the order of its batches: never an integer and without `:`, both of which BullMQ reserves.
 */
export class JobIds {
  readonly origin = `b${randomBytes(12).toString("hex")}`;
  #number = 0;

  next({ messages, bytes }: JobSize): string {
    this.#number += 1;
    return `${this.origin}-${this.#number}-${messages}-${bytes}`;
  }
}

/** A half keeps the position of its batch: a wait for that batch is a wait for all its parts. */
export function halfOf(id: string, half: (typeof HALVES)[number], { messages, bytes }: JobSize): string {
  const { origin, number, part } = jobPlace(id);
  return `${origin}-${number}-${messages}-${bytes}-${part}${half}`;
}

/** The same for a batch and for every part of it. */
export function wholeOf(id: string): string {
  const { origin, number } = jobPlace(id);
  return `${origin}-${number}`;
}

export function jobSize(id: string): JobSize {
  const [, , messages, bytes] = id.split("-");
  return { messages: Number(messages ?? 0), bytes: Number(bytes ?? 0) };
}

export function jobPlace(id: string): JobPlace {
  const [origin = "", number, , , part = ""] = id.split("-");
  return { origin, number: Number(number ?? 0), part };
}
