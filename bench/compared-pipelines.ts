/** The two pipelines the gateway is compared with, each in a process of its own. */
import type { BareAedesCommands } from "./bare-aedes.ts";
import { Child } from "./child.ts";
import type { OnePerJobCommands } from "./one-per-job.ts";
import { devicesNamed, type Pipeline } from "./pipeline.ts";
import { NATIVE_COUNTED } from "./publish-ring.ts";
import { startServers } from "./servers.ts";

/** Anything is accepted as a password there; the length is that of a real token. */
const ANY_TOKEN = "x".repeat(43);

export async function startBareAedes(devices: number, nodeOptions: readonly string[]): Promise<Pipeline> {
  const broker = new Child<BareAedesCommands>("bare-aedes.ts", nodeOptions);
  const port = await broker.ask("listen", undefined);
  return { port, pids: { gateway: broker.pid }, devices: devicesNamed(devices, ANY_TOKEN), stop: () => broker.stop() };
}

export async function startOnePerJob(devices: number, dir: string): Promise<Pipeline> {
  const servers = await startServers(dir);
  const child = new Child<OnePerJobCommands>("one-per-job.ts");
  const stop = async () => {
    await child.stop();
    await servers.stop();
  };
  const { redisUrl, influxUrl, database } = servers;
  const port = await child.ask("listen", { redisUrl, influxUrl, database }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return {
    port,
    pids: { gateway: child.pid, redis: servers.redisPid, influx: servers.influxPid },
    devices: devicesNamed(devices, ANY_TOKEN),
    counts: () => child.ask("counts", undefined),
    rows: async () => {
      await child.ask("flush", undefined);
      return servers.rows(NATIVE_COUNTED);
    },
    stop,
  };
}
