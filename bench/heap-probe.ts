/**
 * Preloaded into a measured gateway, and of the bench alone: answers over the channel between the two processes what the
 * heap has cost so far. It must not keep the gateway from ending.
 */
import { isMainThread } from "node:worker_threads";
import { AllocationMeter } from "./allocation-meter.ts";
import { HEAP_QUESTION, type HeapAnswer } from "./heap-question.ts";

if (isMainThread && process.channel !== undefined) {
  const meter = new AllocationMeter();
  process.on("message", (message) => {
    if (message === HEAP_QUESTION) process.send?.({ allocations: meter.read() } satisfies HeapAnswer);
  });
  process.channel?.unref();
}
