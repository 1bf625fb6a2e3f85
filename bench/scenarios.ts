/**
 * What is measured, one function each. Every scenario starts its own processes and servers on
 * loopback, throws its warm-up away, and stops everything before it returns.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Child } from "./child.ts";
import { startBareAedes, startOnePerJob } from "./compared-pipelines.ts";
import { type GatewayOptions, startGateway } from "./gateway-pipeline.ts";
import { COLLECTABLE, idleConnectionKb } from "./idle-memory.ts";
import type { LoaderCommands } from "./loader.ts";
import { type LoadPlan, type Measured, measure } from "./measure.ts";
import type { Pipeline } from "./pipeline.ts";

export interface ScenarioOptions {
  /** Everything written goes below; removed after each scenario. */
  readonly dir: string;
  readonly devices: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly idleConnections: number;
  /** For the gateway process, such as `--cpu-prof`. */
  readonly nodeOptions: readonly string[];
  readonly quick: boolean;
}

export interface WholePath {
  readonly peak: Measured;
  /** The traffic of the peak run at half of its rate. */
  readonly halfPeak: Measured;
  /** Half of the peak with every message in a write, and so a packet, of its own. */
  readonly halfPeakSingly: Measured | undefined;
}

const WINDOW = 20;
const KEEP_ALIVE_SECONDS = 300;
/** Comparisons and latencies need fewer messages than the headline figure. */
const SHORT = 0.6;

export async function bareAedes(options: ScenarioOptions): Promise<Measured> {
  return await underLoad(await startBareAedes(options.devices, []), async (loader, pipeline) =>
    measure(loader, pipeline, shortened(options)),
  );
}

export async function wholePath(options: ScenarioOptions): Promise<WholePath> {
  return await withGateway(options, { nodeOptions: options.nodeOptions }, (gateway) =>
    underLoad(gateway, async (loader) => {
      const { warmUpMs, durationMs } = options;
      const peak = await measure(loader, gateway, { warmUpMs, durationMs });
      const ratePerSecond = Math.round(peak.endToEndPerSecond / 2);
      const halfPeak = await measure(loader, gateway, { ...shortened(options), ratePerSecond });
      const halfPeakSingly = options.quick
        ? undefined
        : await measure(loader, gateway, { ...shortened(options), ratePerSecond, burst: 1 });
      return { peak, halfPeak, halfPeakSingly };
    }),
  );
}

/** The peak alone, on fresh servers: the other side of the comparison with `withoutPrivacy`, taken after it. */
export async function wholePathAgain(options: ScenarioOptions): Promise<Measured> {
  return await withGateway(options, {}, (gateway) =>
    underLoad(gateway, (loader) => measure(loader, gateway, shortened(options))),
  );
}

/** The peak with a weather and a scene service that listen to everything: two messages out for each that comes in. */
export async function withServices(options: ScenarioOptions): Promise<Measured> {
  return await withGateway(options, { services: true }, (gateway) =>
    underLoad(gateway, (loader) => measure(loader, gateway, shortened(options))),
  );
}

/** The same gateway with a consent gate that lets everything pass and an envelope that seals nothing. */
export async function withoutPrivacy(options: ScenarioOptions): Promise<Measured> {
  return await withGateway(options, { entry: "bench/no-privacy.ts" }, (gateway) =>
    underLoad(gateway, (loader) => measure(loader, gateway, options)),
  );
}

export async function onePerJob(options: ScenarioOptions): Promise<Measured> {
  return await inDirectory(options, "one-per-job", async (dir) =>
    underLoad(await startOnePerJob(options.devices, dir), (loader, pipeline) => {
      const { warmUpMs, durationMs } = shortened(options);
      // Its backlog takes several times the window to drain.
      return measure(loader, pipeline, { warmUpMs, durationMs: durationMs / 2 });
    }),
  );
}

export async function idleGatewayKb(options: ScenarioOptions): Promise<number> {
  const idle = { nodeOptions: COLLECTABLE, devices: options.idleConnections };
  return await withGateway(options, idle, async (gateway) => {
    try {
      return await idleConnectionKb(gateway);
    } finally {
      await gateway.stop();
    }
  });
}

export async function idleBareAedesKb(options: ScenarioOptions): Promise<number> {
  const broker = await startBareAedes(options.idleConnections, COLLECTABLE);
  try {
    return await idleConnectionKb(broker);
  } finally {
    await broker.stop();
  }
}

function shortened({ warmUpMs, durationMs }: ScenarioOptions): LoadPlan {
  return { warmUpMs: warmUpMs / 2, durationMs: durationMs * SHORT };
}

async function withGateway<Result>(
  options: ScenarioOptions,
  different: Partial<Omit<GatewayOptions, "dir">>,
  run: (gateway: Pipeline) => Promise<Result>,
): Promise<Result> {
  const { devices } = options;
  return await inDirectory(options, "gateway", async (dir) =>
    run(await startGateway({ dir, devices, entry: "src/main.ts", nodeOptions: [], services: false, ...different })),
  );
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

/** Connects a fresh loader, runs, has the store count its rows, and stops both sides. */
async function underLoad<Result>(
  pipeline: Pipeline,
  run: (loader: Child<LoaderCommands>, pipeline: Pipeline) => Promise<Result>,
): Promise<Result> {
  const loader = new Child<LoaderCommands>("loader.ts");
  try {
    await loader.ask("connect", {
      port: pipeline.port,
      devices: pipeline.devices,
      window: WINDOW,
      keepAliveSeconds: KEEP_ALIVE_SECONDS,
    });
    if (pipeline.services !== undefined) {
      const { port, services } = pipeline;
      await loader.ask("listen", { port, services, keepAliveSeconds: KEEP_ALIVE_SECONDS });
    }
    const result = await run(loader, pipeline);
    await confirmRows(pipeline);
    return result;
  } finally {
    await loader.stop();
    await pipeline.stop();
  }
}

/** "Stored" is the pipeline's own word: the store is asked too. */
async function confirmRows(pipeline: Pipeline): Promise<void> {
  const counts = await pipeline.counts?.();
  const rows = await pipeline.rows?.();
  if (counts === undefined || rows === undefined || rows === counts.stored) return;
  throw new Error(`the run is not valid: ${counts.stored} said to be stored, ${rows} rows found`);
}
