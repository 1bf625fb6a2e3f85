/**
 * What BullMQ gets to see of a batch: a constant name, sealed bytes, and an id that is random but for a
 * place in line and two counts. The counts let the depth of the queue be read from Redis without opening
 * or fetching a single batch; the place lets a worker put batches right that were handed to it out of order.
 */
import { randomBytes } from "node:crypto";
import type { JobsOptions } from "bullmq";
import type { Sealed } from "./envelope.ts";

export const JOB_NAME = "batch";
export const BATCH_SEAL = "batch";

export type JobData = Sealed;

/**
 * BullMQ keeps finished jobs for ever unless told not to. What was acknowledged is tried for ever: outages
 * are waited out inside an attempt, so an attempt only ends early on a fault, and then rests a second.
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

/** Where a batch stands among those of the same producer. */
export interface JobPlace {
  readonly origin: string;
  /** Grows by one with every batch of the origin. */
  readonly number: number;
  /** Which part of a batch that was taken apart: `ab` is the second half of its first half. Empty for a whole one. */
  readonly part: string;
}

export const HALVES = ["a", "b"] as const;

/** Ids of one producer, in the order of its batches: never an integer and without `:`, both of which BullMQ reserves. */
export class JobIds {
  readonly origin = `b${randomBytes(12).toString("hex")}`;
  #number = 0;

  next({ messages, bytes }: JobSize): string {
    this.#number += 1;
    return `${this.origin}-${this.#number}-${messages}-${bytes}`;
  }
}

/** A half keeps the place of the batch it is a part of: whoever waits for that batch waits for all of its parts. */
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
