/** Mosquitto in memory, and a consumer beside it that writes into InfluxDB. */
import { join } from "node:path";
import { startMosquitto } from "../../tools/private-servers/mosquitto.ts";
import { onPath } from "../../tools/private-servers/service-binaries.ts";
import { INFLUX_DATABASE as database, startInflux } from "../../tools/private-servers/services.ts";
import { Child } from "../child.ts";
import { ANY_TOKEN, devicesNamed, type Pipeline } from "../pipeline.ts";
import { NATIVE_COUNTED } from "../publish-ring.ts";
import { countRows } from "../servers.ts";
import { Stopping } from "../stopping.ts";
import type { ConsumerCommands } from "./consumer.ts";

/** Or it would drop what the consumer has not taken yet. */
const UNBOUNDED = ["max_inflight_messages 0", "max_queued_messages 0"];

export async function startMosquittoScript(dir: string, devices: number): Promise<Pipeline> {
  const binary = onPath("mosquitto");
  if (binary === undefined) throw new Error("no mosquitto on this machine (apt-get install mosquitto)");
  return await Stopping.all(async (stopping) => {
    const influx = stopping.add(await startInflux({ dir: join(dir, "influxdb"), say: () => {} }));
    const broker = stopping.add(await startMosquitto(binary, join(dir, "mosquitto"), UNBOUNDED));
    const consumer = stopping.add(new Child<ConsumerCommands>("peers/consumer.ts"));
    await consumer.ask("consume", { broker: broker.url, influxUrl: influx.url, database });
    return {
      port: broker.port,
      pids: { mosquitto: broker.pid, consumer: consumer.pid, influx: influx.pid },
      devices: devicesNamed(devices, ANY_TOKEN),
      counts: () => consumer.ask("counts", undefined),
      rows: async () => {
        await consumer.ask("flush", undefined);
        return countRows(influx.url, NATIVE_COUNTED);
      },
    };
  });
}
