/**
 * Starts parts in order and stops them in reverse, each with a deadline, so that neither a fault nor a signal in
 * between can leave something running or block the process forever.
 */
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";

/** `stop` must be safe in every state: before, during and after `start`, and twice. */
export interface Part {
  /** A constant from the source; appears in the log as `stage`. */
  readonly name: string;
  start(signal: AbortSignal): Promise<void> | void;
  stop(): Promise<void> | void;
}

/** An object that starts and stops by itself, with its name in the log. */
export function partOf(name: string, one: Omit<Part, "name">): Part {
  return { name, start: (signal) => one.start(signal), stop: () => one.stop() };
}

export interface LifecycleOptions {
  /** For each part, not for all of them together. */
  readonly stopDeadlineMs: number;
  readonly log: Log;
}

/**
 * Starts one part after the other. When a part fails or `signal` aborts, every part begun so far, including the failing
 * one, is stopped in reverse order before this rejects: with the part's own fault, or with `START_CANCELLED`. A start
 * that ignores the abort is abandoned after `stopDeadlineMs`.
 */
export async function startAll(parts: readonly Part[], signal: AbortSignal, options: LifecycleOptions): Promise<void> {
  const begun: Part[] = [];
  try {
    for (const part of parts) {
      throwIfCancelled(signal, part);
      begun.push(part);
      await startOne(part, signal, options.stopDeadlineMs);
    }
    throwIfCancelled(signal, begun.at(-1));
  } catch (fault) {
    await stopAll(begun, options);
    throw fault;
  }
}

/**
 * Stops all parts, last first. A part that fails or exceeds its deadline is logged and does not stop the others from
 * stopping. Returns the names of those parts; empty means a clean stop. Never rejects.
 */
export async function stopAll(parts: readonly Part[], options: LifecycleOptions): Promise<string[]> {
  const { log, stopDeadlineMs } = options;
  const unclean: string[] = [];
  for (const part of parts.toReversed()) {
    try {
      const outcome = await withDeadline(
        Promise.resolve().then(() => part.stop()),
        stopDeadlineMs,
      );
      if (outcome === "done") continue;
      log.error("part did not stop in time", { stage: part.name, deadlineMs: stopDeadlineMs });
    } catch (fault) {
      log.error("part failed to stop", { stage: part.name, ...codeOf(fault) });
    }
    unclean.push(part.name);
  }
  return unclean;
}

function throwIfCancelled(signal: AbortSignal, part: Part | undefined): void {
  if (signal.aborted) throw new GatewayError("START_CANCELLED", part?.name);
}

async function startOne(part: Part, signal: AbortSignal, deadlineMs: number): Promise<void> {
  const started = Promise.resolve().then(() => part.start(signal));
  let noticeAbort = () => {};
  const aborted = new Promise<void>((done) => {
    noticeAbort = done;
  });
  signal.addEventListener("abort", noticeAbort, { once: true });
  try {
    await Promise.race([started, aborted]);
    if (!signal.aborted) return;
    // An error now is caused by the abort; only that it ends matters.
    await withDeadline(
      started.catch(() => {}),
      deadlineMs,
    );
  } catch (fault) {
    if (!signal.aborted) throw fault;
  } finally {
    signal.removeEventListener("abort", noticeAbort);
  }
  throwIfCancelled(signal, part);
}

async function withDeadline(work: Promise<void>, deadlineMs: number): Promise<"done" | "overdue"> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<"overdue">((resolve) => {
    timer = setTimeout(() => resolve("overdue"), deadlineMs);
  });
  try {
    return await Promise.race([work.then(() => "done" as const), overdue]);
  } finally {
    clearTimeout(timer);
  }
}

function codeOf(fault: unknown): { code?: string } {
  return fault instanceof GatewayError ? { code: fault.code } : {};
}
