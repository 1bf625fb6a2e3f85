/**
 * What the same message costs when every one becomes its own job: Aedes, BullMQ and the InfluxDB client wired the
 * obvious way. It checks no consent, seals nothing and coarsens nothing, so the comparison leans in its favour.
 */
import { createServer } from "node:net";
import type { WriteApi } from "@influxdata/influxdb-client";
import { Aedes } from "aedes";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { answer } from "./child.ts";
import type { StoredCounts } from "./pipeline.ts";
import { bufferedWrites, rowOf } from "./plain-store.ts";

export interface OnePerJobOptions {
  readonly redisUrl: string;
  readonly influxUrl: string;
  readonly database: string;
}

export type OnePerJobCommands = typeof commands;

interface MessageJob {
  readonly device: string;
  readonly payload: string;
}

const QUEUE = "messages";
const WORKER_CONCURRENCY = 64;

let writes: WriteApi | undefined;
let received = 0;
let processed = 0;

const commands = {
  /** Returns the MQTT port. */
  async listen(options: OnePerJobOptions): Promise<number> {
    writes = bufferedWrites(options, { failed: fail });
    const worker = new Worker<MessageJob>(QUEUE, async ({ data }) => store(data), {
      connection: new Redis(options.redisUrl, { maxRetriesPerRequest: null }),
      concurrency: WORKER_CONCURRENCY,
    });
    worker.on("error", fail);
    const queue = new Queue<MessageJob>(QUEUE, {
      connection: new Redis(options.redisUrl, { maxRetriesPerRequest: 1 }),
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    });
    await queue.waitUntilReady();
    const broker = await Aedes.createBroker({
      authorizePublish: (client, packet, done) => {
        received += 1;
        const data = { device: client?.id ?? "", payload: packet.payload.toString() };
        queue.add("message", data).then(
          () => done(null),
          (error: Error) => done(error),
        );
      },
    });
    const server = createServer(broker.handle);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 4096, resolve));
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  },

  /** Messages taken in, and messages whose job has run. */
  counts(): StoredCounts {
    return { received, stored: processed, astray: 0 };
  },

  /** Writes what the client still buffers. */
  async flush(): Promise<void> {
    await writes?.flush();
  },
};

function store({ device, payload }: MessageJob): void {
  writes?.writePoint(rowOf(device, payload));
  processed += 1;
}

function fail(error: Error): void {
  process.stderr.write(`one-per-job: ${error.message}\n`);
  process.exitCode = 1;
}

answer(commands);
