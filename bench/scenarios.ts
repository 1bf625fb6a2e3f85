/**
 * What is measured. The comparison keeps all its systems warm and loads them in turn; the rest starts its own processes and
 * servers on loopback, throws its warm-up away, and stops everything before it returns.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Child } from "./child.ts";
import { startBareAedes, startOnePerJob } from "./compared-pipelines.ts";
import { type ConsoleCost, consoleCost } from "./console-cost.ts";
import {
  DIALECT_LOADS,
  type Entrant,
  isPeer,
  MQTT_5,
  NO_PRIVACY,
  PATH,
  SERVICES,
  SHARED,
  wholePath,
  withConsole,
  withContenders,
  withoutConsole,
} from "./contenders.ts";
import { startGateway } from "./gateway-pipeline.ts";
import { COLLECTABLE, idleConnectionKb } from "./idle-memory.ts";
import { LatencyHistogram, type LatencySummary } from "./latency-histogram.ts";
import type { LoadPlan, Measured } from "./measure.ts";
import type { Pipeline } from "./pipeline.ts";
import { type ResidentMb, residentAfterLoad } from "./resident-memory.ts";
import type { SceneLoopCommands } from "./scene-loop-load.ts";
import { interleaved, pooled, type Windows } from "./windows.ts";

export interface ScenarioOptions {
  /** Everything written goes below; removed after each scenario. */
  readonly dir: string;
  readonly devices: number;
  /** Of each system's windows at the peak, all together. */
  readonly durationMs: number;
  readonly pairs: number;
  /** Before the first window of a system. */
  readonly warmUpMs: number;
  readonly idleConnections: number;
  readonly quick: boolean;
}

export interface Comparison {
  /** As fast as acknowledgements come back. */
  readonly peak: Windows;
  /** The traffic of the peak, for all of them at half of the rate that the whole path reached. */
  readonly halfPeak: Windows;
  /** The whole path at the same rate with every message in a write, and so a packet, of its own. */
  readonly halfPeakSingly: Windows;
  /** By messages per second of all devices together, each message in a write of its own: as fleets send. */
  readonly rates: ReadonlyMap<number, Windows>;
}

/** Messages per second, unless others are asked for. */
export const RATES: readonly number[] = [300, 3_000, 10_000];

/** Thrown away at the beginning of each window: the first messages meet empty batches. */
export const RAMP_MS = 400;
/** Latencies, and the slow comparison, need fewer messages than the headline figure. */
const SHORT = 0.6;
/** Of the scene loop, each with an event every 0.6 s: homes at rest, and not a load. */
export const SCENE_DEVICES = 50;
/** The highest that may be configured. */
const MOST_COMMANDS_PER_MINUTE = 120;

export interface Compared {
  /** At the peak and at half of it. */
  readonly peak: boolean;
  /** In messages per second. */
  readonly rates: readonly number[];
}

export async function comparison(
  entrants: readonly Entrant[],
  wanted: Compared,
  options: ScenarioOptions,
): Promise<Comparison> {
  const { pairs, warmUpMs, durationMs } = options;
  const none: Windows = new Map();
  return await inDirectory(options, "compared", async (dir) =>
    withContenders(entrants, { dir, devices: options.devices }, async (contenders) => {
      const measured = (wanted: typeof contenders, rounds: number, plan: LoadPlan) =>
        interleaved(contenders, wanted, rounds, plan);
      const window = { warmUpMs: RAMP_MS, durationMs: durationMs / pairs };
      const inPeak = wanted.peak ? contenders.filter(({ name }) => !isPeer(name)) : [];
      await measured(inPeak, 1, { warmUpMs, durationMs: RAMP_MS });
      const rates = new Map<number, Windows>();
      const steady = contenders.filter(({ name, pipeline }) => takesRates(name, pipeline));
      // A gateway that has just been at its peak is another one: at these rates each is measured as it comes.
      for (const ratePerSecond of wanted.rates) {
        const paced = { ...window, ratePerSecond, burst: 1 };
        await measured(steady, 1, { ...paced, warmUpMs: warmUpMs / 2, durationMs: RAMP_MS });
        rates.set(ratePerSecond, await measured(steady, pairs, paced));
      }
      const peak = await measured(inPeak, pairs, window);
      const path = peak.get(PATH);
      if (path === undefined) return { peak, halfPeak: none, halfPeakSingly: none, rates };
      const ratePerSecond = Math.round(pooled(path).endToEndPerSecond / 2);
      const paced = { ...window, durationMs: window.durationMs * SHORT, ratePerSecond };
      const stored = contenders.filter(({ name, pipeline }) => takesHalf(name, pipeline));
      const halfPeak = await measured(stored, pairs, paced);
      const alone = contenders.filter(({ name }) => name === PATH);
      const halfPeakSingly = options.quick ? none : await measured(alone, pairs, { ...paced, burst: 1 });
      return { peak, halfPeak, halfPeakSingly, rates };
    }),
  );
}

/** The gateway, and what others would put in its place. */
function takesRates(name: string, pipeline: Pipeline): boolean {
  return isPeer(name) || takesHalf(name, pipeline);
}

/** Latency is of interest of gateways as an operator would run them. */
function takesHalf(name: string, { counts }: Pipeline): boolean {
  if (isPeer(name)) return false;
  const speaks = name === MQTT_5 || DIALECT_LOADS.some(({ dialect }) => dialect === name);
  return counts !== undefined && name !== NO_PRIVACY && name !== SERVICES && name !== SHARED && !speaks;
}

export async function onePerJob(options: ScenarioOptions): Promise<Measured> {
  const { devices, warmUpMs, durationMs } = options;
  const entrant: Entrant = { name: "one-per-job", start: (dir) => startOnePerJob(devices, dir) };
  return await inDirectory(options, "one-per-job", (dir) =>
    withContenders([entrant], { dir, devices }, async (contenders) => {
      // In one window, because its backlog takes several times the window to drain.
      const plan = { warmUpMs: warmUpMs / 2, durationMs: (durationMs * SHORT) / 2 };
      const windows = await interleaved(contenders, contenders, 1, plan);
      return pooled(windows.get(entrant.name) ?? []);
    }),
  );
}

/** From the event that a device publishes to the command that it is handed, while few things happen at once. */
export async function sceneLoop(options: ScenarioOptions): Promise<LatencySummary> {
  const { warmUpMs, durationMs } = options;
  const plan = { warmUpMs, durationMs: durationMs * SHORT };
  const gateway = {
    devices: Math.min(options.devices, SCENE_DEVICES),
    services: "alone" as const,
    commandsPerMinute: MOST_COMMANDS_PER_MINUTE,
    nodeOptions: [],
  };
  return await inDirectory(options, "scene-loop", async (dir) => {
    const pipeline = await startGateway({ ...gateway, dir, entry: "src/main.ts" });
    const load = new Child<SceneLoopCommands>("scene-loop-load.ts");
    try {
      const service = pipeline.services?.find((one) => one.service === "scene");
      if (service === undefined) throw new Error("no scene service is configured");
      const { port, devices } = pipeline;
      return LatencyHistogram.of([await load.ask("run", { port, devices, service, ...plan })]).summary();
    } finally {
      await Promise.all([load.stop(), pipeline.stop()]);
    }
  });
}

/** Of one tab of the operator's console. */
export async function consoleTab(options: ScenarioOptions): Promise<ConsoleCost> {
  const { devices, warmUpMs, pairs } = options;
  return await inDirectory(options, "console", (dir) =>
    withContenders([withConsole, withoutConsole], { dir, devices }, async ([open, without]) => {
      if (open === undefined || without === undefined) throw new Error("both take part");
      return await consoleCost(open, without, { warmUpMs, rampMs: RAMP_MS, pairs });
    }),
  );
}

/** Of the whole path as it is shipped. */
export async function memoryAfterLoad(options: ScenarioOptions): Promise<ResidentMb> {
  const { devices, warmUpMs, durationMs } = options;
  return await inDirectory(options, "memory", (dir) =>
    withContenders([wholePath([])], { dir, devices }, async ([contender]) => {
      if (contender === undefined) throw new Error("it takes part");
      return await residentAfterLoad(contender, { warmUpMs, durationMs });
    }),
  );
}

export async function idleGatewayKb(options: ScenarioOptions): Promise<number> {
  const idle = { nodeOptions: COLLECTABLE, devices: options.idleConnections, services: "none" as const };
  return await inDirectory(options, "idle", async (dir) =>
    idleKb(await startGateway({ ...idle, dir, entry: "src/main.ts" })),
  );
}

export async function idleBareAedesKb(options: ScenarioOptions): Promise<number> {
  return await idleKb(await startBareAedes(options.idleConnections, COLLECTABLE));
}

async function idleKb(pipeline: Pipeline): Promise<number> {
  try {
    return await idleConnectionKb(pipeline);
  } finally {
    await pipeline.stop();
  }
}

async function inDirectory<Result>(
  options: ScenarioOptions,
  name: string,
  run: (dir: string) => Promise<Result>,
): Promise<Result> {
  const dir = join(options.dir, name);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    return await run(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
