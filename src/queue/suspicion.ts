/**
 * Which batches may be what ends the process, or what the pipeline cannot get through. Crashes that repeat leave
 * every batch that was held under suspicion, so from then on each goes alone; and only what happens to it then is
 * held against it. The job itself keeps count, in a field that BullMQ has for progress.
 */
import type { Job } from "bullmq";
import type { Watch } from "../model/watch.ts";
import { type JobData, jobPlace } from "./job.ts";

type Counts = Pick<Job<JobData>, "id" | "stalledCounter" | "attemptsMade" | "progress">;

/** A process is ended for many reasons, and a batch that goes alone after each of them holds up all others. */
const FORGIVEN = 2;

/** Part of one that was taken apart, or held too often when the process ended, or in a pass that failed. */
export function isSuspect({ id, stalledCounter, attemptsMade }: Counts): boolean {
  return stalledCounter > FORGIVEN || attemptsMade > 0 || jobPlace(id ?? "").part !== "";
}

/** Attempts with this batch that did not come to an end: the process ended, or the pipeline failed. */
export function failuresOf({ attemptsMade, progress }: Counts): number {
  // All but the first failure were its own: after that it was a suspect.
  return attemptsMade + Number(progress);
}

/**
 * The count is up while an attempt is under way and down again when it has ended, however it did. Whoever finds it
 * up knows that the process ended in the midst of an attempt with this batch, and with no other.
 */
export function watched(job: Pick<Job<JobData>, "progress" | "updateProgress">): Watch {
  const before = Number(job.progress);
  // Fails only when the job is gone: another gateway has settled it.
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
