/** The two pipelines the gateway is compared with, each in a process of its own. */
import type { BareAedesCommands } from "./bare-aedes.ts";
import { Child } from "./child.ts";
import type { OnePerJobCommands } from "./one-per-job.ts";
import { ANY_TOKEN, devicesNamed, type Pipeline } from "./pipeline.ts";
import { NATIVE_COUNTED } from "./publish-ring.ts";
import { startServers } from "./servers.ts";
import { Stopping } from "./stopping.ts";

export async function startBareAedes(devices: number, nodeOptions: readonly string[]): Promise<Pipeline> {
  const broker = new Child<BareAedesCommands>("bare-aedes.ts", nodeOptions);
  const port = await broker.ask("listen", undefined);
  return { port, pids: { gateway: broker.pid }, devices: devicesNamed(devices, ANY_TOKEN), stop: () => broker.stop() };
}

export async function startOnePerJob(devices: number, dir: string): Promise<Pipeline> {
  return await Stopping.all(async (stopping) => {
    const servers = stopping.add(await startServers(dir));
    const child = stopping.add(new Child<OnePerJobCommands>("one-per-job.ts"));
    const { redisUrl, influxUrl, database } = servers;
    return {
      port: await child.ask("listen", { redisUrl, influxUrl, database }),
      pids: { gateway: child.pid, redis: servers.redisPid, influx: servers.influxPid },
      devices: devicesNamed(devices, ANY_TOKEN),
      counts: () => child.ask("counts", undefined),
      rows: async () => {
        await child.ask("flush", undefined);
        return servers.rows(NATIVE_COUNTED);
      },
    };
  });
}
