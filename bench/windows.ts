/**
 * Several systems, all started and warm, measured in turn in short windows, one under load at a time. A machine that is
 * slower for a while is slower for neighbours alike, so what is compared is a window with its neighbour.
 */
import { LatencyHistogram } from "./latency-histogram.ts";
import { type Counted, type Loaded, type LoadPlan, type Measured, measure } from "./measure.ts";
import { median, type RatioSpread, ratioOfPairs } from "./quartiles.ts";

export interface Contender extends Omit<Loaded, "waiting"> {
  readonly name: string;
}

/** By name of the contender, in the order of the rounds. */
export type Windows = ReadonlyMap<string, readonly Measured[]>;

/** `running` are all that were started, `measured` those of them that take part. */
export async function interleaved(
  running: readonly Contender[],
  measured: readonly Contender[],
  rounds: number,
  plan: LoadPlan,
): Promise<Windows> {
  const windows = new Map<string, Measured[]>(measured.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    // Always in the same order, so that each has waited equally long: one that comes back sooner has warmer caches.
    for (const contender of measured) {
      const waiting = running.filter((other) => other !== contender).flatMap(processesOf);
      windows.get(contender.name)?.push(await measure({ ...contender, waiting }, plan));
    }
  }
  return windows;
}

function processesOf({ pipeline, loader }: Contender): number[] {
  return [...Object.values(pipeline.pids), loader.pid];
}

/** A figure of one system as a multiple of another's, window by window; nothing where one of the two was not measured. */
export function compared(
  windows: Windows,
  name: string,
  other: string,
  figure: (window: Measured) => number,
): RatioSpread | undefined {
  const [values, neighbours] = [windows.get(name), windows.get(other)].map((list) => list?.map(figure));
  return values === undefined || neighbours === undefined ? undefined : ratioOfPairs(values, neighbours);
}

/**
 * Windows of one system as one: medians, because single windows are disturbed, but latencies and counters of all messages.
 */
export function pooled(windows: readonly Measured[]): Measured {
  const of = (figure: (window: Measured) => number) => median(windows.map(figure));
  const names = Object.keys(windows[0]?.cpuPerMessageUs ?? {});
  const latencies = LatencyHistogram.of(windows.map(({ latency }) => latency));
  return {
    messages: sumOf(windows.map(({ messages }) => messages)),
    acknowledgedPerSecond: Math.round(of((window) => window.acknowledgedPerSecond)),
    endToEndPerSecond: Math.round(of((window) => window.endToEndPerSecond)),
    forwardedPerSecond: Math.round(of((window) => window.forwardedPerSecond)),
    backlog: Math.round(of((window) => window.backlog)),
    drainMs: Math.round(of((window) => window.drainMs)),
    cpuPerMessageUs: Object.fromEntries(names.map((name) => [name, of((window) => window.cpuPerMessageUs[name] ?? 0)])),
    pubackMs: latencies.summary(),
    latency: latencies.buckets(),
    counted: added(windows.map(({ counted }) => counted)),
    foreignCpuShare: Math.round(of((window) => window.foreignCpuShare) * 100) / 100,
  };
}

function added(parts: readonly Counted[]): Counted {
  const names = new Set(parts.flatMap(({ growth }) => Object.keys(growth)));
  const total = (name: string) => sumOf(parts.map((part) => part.growth[name] ?? 0));
  return {
    messages: sumOf(parts.map(({ messages }) => messages)),
    growth: Object.fromEntries([...names].map((name) => [name, total(name)])),
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
