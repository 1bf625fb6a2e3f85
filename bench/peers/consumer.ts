/**
 * What many begin with: MQTT.js hears every device at the broker, and the buffering InfluxDB client writes what it hears. No consent is asked, nothing
 * is taken out, and what is in its memory when it ends is lost.
 */
import type { WriteApi } from "@influxdata/influxdb-client";
import mqtt from "mqtt";
import { answer } from "../child.ts";
import type { StoredCounts } from "../pipeline.ts";
import { bufferedWrites, rowOf } from "../plain-store.ts";

export interface ConsumerOptions {
  readonly broker: string;
  readonly influxUrl: string;
  readonly database: string;
}

export type ConsumerCommands = typeof commands;

let writes: WriteApi | undefined;
let received = 0;
let stored = 0;

const commands = {
  /** Resolves when it hears everything. */
  async consume({ broker, ...store }: ConsumerOptions): Promise<void> {
    const client = await mqtt.connectAsync(broker);
    const written = (lines: number) => {
      stored += lines;
    };
    const api = bufferedWrites(store, { failed, written });
    writes = api;
    client.on("message", (topic, payload) => {
      received += 1;
      api.writePoint(rowOf(topic.split("/")[1] ?? "", payload.toString()));
    });
    await client.subscribeAsync("devices/+/telemetry", { qos: 1 });
  },

  counts(): StoredCounts {
    return { received, stored, astray: 0 };
  },

  /** Writes what the client still buffers. */
  async flush(): Promise<void> {
    await writes?.flush();
  },
};

function failed(error: Error): void {
  process.stderr.write(`consumer: ${error.message}\n`);
  process.exitCode = 1;
}

answer(commands);
