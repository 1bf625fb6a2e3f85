/** The bench's end of `heap-probe.ts`. */
import type { ChildProcess } from "node:child_process";
import type { Allocations } from "./allocation-meter.ts";

export const HEAP_QUESTION = "bench: what has the heap cost?";

export interface HeapAnswer {
  readonly allocations: Allocations;
}

/** What a process must be started with, besides a channel, to answer. */
export const HEAP_PROBE = ["--import", new URL("heap-probe.ts", import.meta.url).href];

const ANSWER_DEADLINE_MS = 10_000;

export function allocationsOf(child: ChildProcess): Promise<Allocations> {
  return new Promise((resolve, reject) => {
    const answered = (message: unknown) => {
      if (typeof message !== "object" || message === null || !("allocations" in message)) return;
      done();
      resolve((message as HeapAnswer).allocations);
    };
    const deadline = setTimeout(() => {
      done();
      reject(new Error("the gateway does not say what its heap has cost"));
    }, ANSWER_DEADLINE_MS);
    const done = () => {
      clearTimeout(deadline);
      child.off("message", answered);
    };
    child.on("message", answered);
    child.send(HEAP_QUESTION);
  });
}
