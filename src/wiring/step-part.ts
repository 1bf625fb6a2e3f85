/** What is done once a step, by one gateway: a part that looks whether a step is due, and tries again after a failure. */
import type { Log } from "../model/log.ts";
import { faultCode } from "../platform/fault-code.ts";
import type { Part } from "../platform/lifecycle.ts";
import { Periodic, type PeriodicTask } from "../platform/periodic.ts";
import type { StepTurn, StepTurns } from "../platform/step-turns.ts";

export interface StepPartOptions {
  /** A constant from the source; appears in the log as `stage`. */
  readonly name: string;
  readonly stepMs: number;
  /** By composition, for a test or a demonstration. */
  readonly shortened: boolean;
  readonly turns: StepTurns;
  /** Whether it makes sense to look now. */
  readonly mayStep: () => boolean;
  /** True when the step was carried out. */
  readonly step: (turn: StepTurn, stop: AbortSignal) => Promise<boolean>;
  /** What else is done again and again. */
  readonly more?: readonly PeriodicTask[];
}

/** How often it is looked whether a step is due, at least and at most. */
const LOOK_MS = { least: 100, most: 10_000 };
/** After a failed step; what is needed for it may be away for long. */
const AGAIN_MS = 15_000;

export function stepPart(options: StepPartOptions, log: Log): Part {
  const { name, stepMs, turns } = options;
  const stopping = new AbortController();
  let again = 0;
  const look = async (): Promise<void> => {
    if (stopping.signal.aborted || !options.mayStep() || performance.now() < again) return;
    try {
      await turns.take((turn) => options.step(turn, stopping.signal));
    } catch (error) {
      if (stopping.signal.aborted) return;
      log.warn("step failed, will be retried", { code: faultCode(error), stage: name });
      again = performance.now() + Math.min(AGAIN_MS, stepMs);
    }
  };
  let running: Promise<void> = Promise.resolve();
  const everyMs = Math.max(LOOK_MS.least, Math.min(LOOK_MS.most, stepMs / 10));
  const looking: PeriodicTask = {
    name,
    everyMs,
    run: () => {
      running = look();
      return running;
    },
  };
  const periodic = new Periodic([looking, ...(options.more ?? [])], log);
  return {
    name,
    start: () => {
      if (options.shortened) log.warn("steps are shortened", { stage: name });
      periodic.start();
    },
    stop: async () => {
      periodic.stop();
      stopping.abort();
      await running;
    },
  };
}
