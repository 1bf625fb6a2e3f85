/** Resident memory that one more idle, authenticated connection costs, after garbage was collected. */
import { setTimeout as wait } from "node:timers/promises";
import { Child } from "./child.ts";
import type { LoaderCommands } from "./loader.ts";
import type { Pipeline } from "./pipeline.ts";
import { residentBytes } from "./process-usage.ts";

/**
 * What the measured process must have been started with. The space for young objects is kept small, because its size
 * follows the load of the last seconds and would drown the connections in noise; idle connections do not live there.
 */
export const COLLECTABLE = [
  "--expose-gc",
  "--max-semi-space-size=1",
  "--import",
  new URL("collect-garbage.ts", import.meta.url).href,
];

/**
 * Opened before the first reading: they fill the heap that start-up left half empty and load what is loaded on
 * first use, neither of which is the price of a connection.
 */
export const FIRST_CONNECTIONS = 1000;
const KEEP_ALIVE_SECONDS = 600;
const SETTLE_POLL_MS = 250;
const CALM_MS = 2_500;
const NOISE_SHARE = 0.002;
const SETTLE_DEADLINE_MS = 15_000;

/** In KB of 1,024 bytes. */
export async function idleConnectionKb(pipeline: Pipeline): Promise<number> {
  const loader = new Child<LoaderCommands>("loader.ts");
  const pid = pipeline.pids.gateway ?? 0;
  const target = { port: pipeline.port, window: 0, keepAliveSeconds: KEEP_ALIVE_SECONDS, version: 4 as const };
  try {
    const first = pipeline.devices.slice(0, FIRST_CONNECTIONS);
    const rest = pipeline.devices.slice(FIRST_CONNECTIONS);
    await loader.ask("connect", { ...target, devices: first });
    const before = await settledBytes(pid);
    await loader.ask("connect", { ...target, devices: rest });
    const after = await settledBytes(pid);
    return Math.round(((after - before) / rest.length / 1024) * 10) / 10;
  } finally {
    await loader.stop();
  }
}

/** The lowest reading: V8 gives pages back in steps, the last of them seconds after a collection. */
async function settledBytes(pid: number): Promise<number> {
  const deadline = Date.now() + SETTLE_DEADLINE_MS;
  let lowest = Number.POSITIVE_INFINITY;
  let loweredAt = Date.now();
  while (Date.now() < Math.min(loweredAt + CALM_MS, deadline)) {
    process.kill(pid, "SIGUSR2");
    await wait(SETTLE_POLL_MS);
    const now = residentBytes(pid);
    if (now < lowest * (1 - NOISE_SHARE)) loweredAt = Date.now();
    lowest = Math.min(lowest, now);
  }
  return lowest;
}
