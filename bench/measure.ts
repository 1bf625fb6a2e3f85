/**
 * One measuring window over a pipeline under load: warm-up discarded, CPU by process, and for
 * storing pipelines the time until the last acknowledged message of the window was stored.
 */
import { availableParallelism } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import type { Child } from "./child.ts";
import { type LatencyBuckets, LatencyHistogram, type LatencySummary } from "./latency-histogram.ts";
import type { LoaderCommands, LoaderSample } from "./loader.ts";
import type { Counters, Pipeline, StoredCounts } from "./pipeline.ts";
import { cpuUs, machineCpuUs } from "./process-usage.ts";
import { growth } from "./server-counters.ts";

export interface LoadPlan {
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** `undefined` runs the closed loop: as fast as acknowledgements come back. */
  readonly ratePerSecond?: number | undefined;
  /** Messages of one device sent in one write when paced. */
  readonly burst?: number | undefined;
}

/** A pipeline and the loader that is connected to it. */
export interface Loaded {
  readonly loader: Child<LoaderCommands>;
  readonly pipeline: Pipeline;
  /** Processes of the bench that are not under load meanwhile. */
  readonly waiting: readonly number[];
}

export interface Measured {
  readonly messages: number;
  readonly acknowledgedPerSecond: number;
  /** Messages of the window over the time until all of them were stored; the acknowledged rate where nothing is stored. */
  readonly endToEndPerSecond: number;
  /** Processed messages that reached services, over the same time; 0 when none listens. */
  readonly forwardedPerSecond: number;
  /** Acknowledged and not yet stored when the window closed. */
  readonly backlog: number;
  readonly drainMs: number;
  /** By process, and `loader`; the cost of draining the backlog is included. */
  readonly cpuPerMessageUs: Readonly<Record<string, number>>;
  readonly pubackMs: LatencySummary;
  /** What `pubackMs` was made of, so that windows can be added up. */
  readonly latency: LatencyBuckets;
  readonly counted: Counted;
  /** Share of the machine's cores that processes of others took meanwhile; much of it makes a run worthless. */
  readonly foreignCpuShare: number;
}

/**
 * Growth of the pipeline's counters from before the load, warm-up included, until everything was stored. Both readings are
 * taken while nothing is in progress, because a busy process answers late, after further messages.
 */
export interface Counted {
  readonly messages: number;
  readonly growth: Counters;
}

interface Edge {
  readonly load: LoaderSample;
  readonly counts: StoredCounts | undefined;
  readonly cpu: Readonly<Record<string, number>>;
  /** CPU of the whole machine beyond what is accounted for here. */
  readonly foreignCpuUs: number;
}

/** Its name in `cpuPerMessageUs`. */
export const LOADER = "loader";

const DRAIN_POLL_MS = 20;
const DRAIN_STALL_MS = 30_000;

export async function measure(loaded: Loaded, plan: LoadPlan): Promise<Measured> {
  const { loader } = loaded;
  const before = await quietCounters(loaded);
  await loader.ask("start", { ratePerSecond: plan.ratePerSecond, burst: plan.burst });
  await wait(plan.warmUpMs);
  const opened = await edge(loaded);
  await wait(plan.durationMs);
  const closed = await edge(loaded);
  const unacknowledged = await loader.ask("stop", undefined);
  const settled = await drained(loaded);
  refuseDishonest(unacknowledged, settled);
  const after = await quietCounters(loaded);
  const counted = { messages: after.acked - before.acked, growth: growth(before.counters, after.counters) };
  return { ...figures(opened, closed, settled), counted };
}

async function quietCounters({ loader, pipeline }: Loaded): Promise<{ acked: number; counters: Counters }> {
  const { acked } = await loader.ask("sample", undefined);
  return { acked, counters: (await pipeline.counters?.()) ?? {} };
}

async function edge({ loader, pipeline, waiting }: Loaded): Promise<Edge> {
  const [load, counts] = await Promise.all([loader.ask("sample", undefined), pipeline.counts?.()]);
  const cpu = Object.fromEntries(Object.entries(pipeline.pids).map(([name, pid]) => [name, cpuUs(pid)]));
  const own = process.cpuUsage();
  const accounted = [...Object.values(cpu), ...waiting.map(cpuUs), load.cpuUs, own.user + own.system];
  const accountedUs = accounted.reduce((sum, us) => sum + us, 0);
  return { load, counts, cpu, foreignCpuUs: machineCpuUs() - accountedUs };
}

/** Waits until everything received was stored; gives up when nothing moves any more. */
async function drained(loaded: Loaded): Promise<Edge> {
  let last = -1;
  let movedAtMs = Date.now();
  for (;;) {
    const now = await edge(loaded);
    if (now.counts === undefined || (isStored(now.load, now.counts) && isHeard(now.load, now.counts))) return now;
    const moved = now.counts.stored + now.load.heard;
    if (moved !== last) {
      last = moved;
      movedAtMs = Date.now();
    }
    if (Date.now() - movedAtMs > DRAIN_STALL_MS) {
      throw new Error(
        `the backlog stopped draining: ${now.load.acked} acknowledged, ${now.counts.stored} stored, ` +
          `${now.counts.forwarded ?? 0} forwarded, ${now.load.heard} heard`,
      );
    }
    await wait(DRAIN_POLL_MS);
  }
}

function isStored({ acked }: LoaderSample, { stored, astray }: StoredCounts): boolean {
  return stored + astray >= acked;
}

/** What was handed over has arrived, all of it: the gateway's word is not taken for it. */
function isHeard({ heard }: LoaderSample, { forwarded = 0 }: StoredCounts): boolean {
  return heard >= forwarded;
}

/** A figure from a run that lost connections, refused messages or reordered acknowledgements would mean nothing. */
function refuseDishonest(unacknowledged: number, settled: Edge): void {
  const { outOfOrder, lostConnections } = settled.load;
  const astray = settled.counts?.astray ?? 0;
  if (unacknowledged + outOfOrder + lostConnections + astray === 0) return;
  const found = { unacknowledged, outOfOrder, lostConnections, astray };
  throw new Error(`the run is not valid: ${JSON.stringify(found)}`);
}

function figures(opened: Edge, closed: Edge, settled: Edge): Omit<Measured, "counted"> {
  const windowMs = closed.load.atMs - opened.load.atMs;
  // Sending ends a moment after the window: what was acknowledged until then also had to be stored, so it counts.
  const messages = settled.load.acked - opened.load.acked;
  const endToEndMs = settled.load.atMs - opened.load.atMs;
  const inWindow = closed.load.acked - opened.load.acked;
  const stores = settled.counts !== undefined;
  const cpuPerMessageUs = Object.fromEntries(
    Object.entries(settled.cpu).map(([name, us]) => [name, (us - (opened.cpu[name] ?? 0)) / messages]),
  );
  return {
    messages,
    acknowledgedPerSecond: Math.round((inWindow * 1000) / windowMs),
    endToEndPerSecond: Math.round(stores ? (messages * 1000) / endToEndMs : (inWindow * 1000) / windowMs),
    forwardedPerSecond: Math.round(((settled.load.heard - opened.load.heard) * 1000) / endToEndMs),
    backlog: closed.counts === undefined ? 0 : Math.max(0, closed.load.acked - closed.counts.stored),
    drainMs: settled.load.atMs - closed.load.atMs,
    cpuPerMessageUs: {
      ...cpuPerMessageUs,
      [LOADER]: (settled.load.cpuUs - opened.load.cpuUs) / messages,
    },
    pubackMs: LatencyHistogram.of([closed.load.latency]).summary(),
    latency: closed.load.latency,
    foreignCpuShare: foreignShare(opened, settled),
  };
}

function foreignShare(opened: Edge, settled: Edge): number {
  const availableUs = (settled.load.atMs - opened.load.atMs) * 1000 * availableParallelism();
  const share = (settled.foreignCpuUs - opened.foreignCpuUs) / availableUs;
  return Math.round(Math.max(0, share) * 100) / 100;
}
