/**
 * A BullMQ queue and its worker, opened and closed as every queue here needs it: no event stream, no error that could
 * print arguments to a console, and a stop with a time limit.
 */
import { type Processor, Queue, Worker, type WorkerOptions } from "bullmq";
import type { Redis } from "ioredis";

export interface BullConnections {
  readonly producer: Redis;
  readonly worker: Redis;
}

export interface BullName {
  readonly name: string;
  readonly prefix: string;
}

const STOP_DEADLINE_MS = 4_000;

export async function openQueue(connections: BullConnections, { name, prefix }: BullName): Promise<Queue> {
  const queue = new Queue(name, {
    connection: connections.producer,
    prefix,
    streams: { events: { maxLen: 0 } },
    skipWaitingForReady: true,
  });
  // Redis errors may contain arguments; the caller of the queue gets these errors as well.
  queue.on("error", () => undefined);
  await queue.waitUntilReady();
  return queue;
}

/** Works as soon as this resolves; `ended` is called if its loop ends by itself. */
export async function openWorker(
  connections: BullConnections,
  { name, prefix }: BullName,
  turn: Processor,
  options: Omit<WorkerOptions, "connection" | "prefix" | "autorun">,
  ended: () => void,
): Promise<Worker> {
  const worker = new Worker(name, turn, { ...options, connection: connections.worker, prefix, autorun: false });
  worker.on("error", () => undefined);
  await worker.waitUntilReady();
  worker.run().catch(ended);
  return worker;
}

/** Work that does not end in time is continued by the next start. */
export async function closeBoth(worker: Worker | undefined, queue: Queue | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_DEADLINE_MS);
  });
  await Promise.race([worker?.close(), late]);
  clearTimeout(timer);
  await queue?.close();
}
