/**
 * Which batches may crash the process, or cannot be processed. After repeated crashes every batch in progress at that
 * time is under suspicion; from then on each is processed alone, and only what happens then counts against it. The job
 * itself stores the count, in BullMQ's progress field.
 */
import type { Job } from "bullmq";
import type { Watch } from "../model/watch.ts";
import { type JobData, jobPlace } from "./job.ts";

type Counts = Pick<Job<JobData>, "id" | "stalledCounter" | "attemptsMade" | "progress">;

/** A process ends for many reasons, and a batch that is processed alone after each of them delays all others. */
const FORGIVEN = 2;

/** Part of a split batch, in progress too often when the process ended, or in a failed pass. */
export function isSuspect({ id, stalledCounter, attemptsMade }: Counts): boolean {
  return stalledCounter > FORGIVEN || attemptsMade > 0 || jobPlace(id ?? "").part !== "";
}

/** Attempts with this batch that did not complete: the process ended, or the pipeline failed. */
export function failuresOf({ attemptsMade, progress }: Counts): number {
  // All failures but the first were its own: after the first it was under suspicion.
  return attemptsMade + Number(progress);
}

/**
 * The count is raised during an attempt and lowered when the attempt ends, with any result. If it is still raised, the
 * process ended in the middle of an attempt with this batch, and with no other.
 */
export function watched(job: Pick<Job<JobData>, "progress" | "updateProgress">): Watch {
  const before = Number(job.progress);
  // Fails only when the job is gone: another gateway has completed it.
  const count = (ended: number): Promise<void> => job.updateProgress(ended).catch(() => undefined);
  return async (attempt) => {
    await count(before + 1);
    try {
      return await attempt();
    } finally {
      await count(before);
    }
  };
}
