/**
 * What BullMQ gets to see of a batch: a constant name, sealed bytes, and an id that is random but for
 * two counts. The counts in the id let the depth of the queue be read from Redis without opening or
 * fetching a single batch.
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

/** Random, never an integer and without `:`, both of which BullMQ reserves. */
export function jobId({ messages, bytes }: JobSize): string {
  return `b${randomBytes(12).toString("hex")}-${messages}-${bytes}`;
}

export function jobSize(id: string): JobSize {
  const [, messages, bytes] = id.split("-");
  return { messages: Number(messages ?? 0), bytes: Number(bytes ?? 0) };
}
