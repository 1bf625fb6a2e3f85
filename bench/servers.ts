/** A fresh Redis (fsync on every write) and a fresh InfluxDB for one scenario, both private. */
import { join } from "node:path";
import { Redis } from "ioredis";
import { INFLUX_DATABASE, startInflux, startRedis } from "../tools/private-servers/services.ts";
import type { Counters } from "./pipeline.ts";
import { influxCounters, redisCounters } from "./server-counters.ts";

export interface BenchServers {
  readonly redisUrl: string;
  readonly redisPid: number;
  readonly influxUrl: string;
  readonly influxPid: number;
  readonly database: string;
  /** As `countRows`. */
  rows(fields: readonly string[]): Promise<number>;
  /** Their own statistics. */
  counters(): Promise<Counters>;
  stop(): Promise<void>;
}

export async function startServers(dir: string): Promise<BenchServers> {
  const say = () => {};
  const redis = await startRedis({ dir: join(dir, "redis"), say });
  const influx = await startInflux({ dir: join(dir, "influxdb"), say }).catch(async (error: unknown) => {
    await redis.stop();
    throw error;
  });
  const statistics = new Redis(redis.url);
  return {
    redisUrl: redis.url,
    redisPid: redis.pid,
    influxUrl: influx.url,
    influxPid: influx.pid,
    database: INFLUX_DATABASE,
    rows: (fields) => countRows(influx.url, fields),
    counters: async () => {
      const [info, answer] = await Promise.all([
        statistics.info("stats", "commandstats"),
        influxQuery(influx.url, "SHOW STATS FOR 'httpd'"),
      ]);
      return { ...redisCounters(info), ...influxCounters(answer) };
    },
    stop: async () => {
      statistics.disconnect();
      await Promise.all([redis.stop(), influx.stop()]);
    },
  };
}

/** Points in `device_status` of which each holds exactly one of these fields, as InfluxDB itself counts them. */
export async function countRows(url: string, fields: readonly string[]): Promise<number> {
  const counts = fields.map((field) => `COUNT(${field})`).join(", ");
  const answer = (await influxQuery(url, `SELECT ${counts} FROM device_status`)) as {
    results?: { series?: { values?: [string, ...number[]][] }[] }[];
  };
  const [, ...found] = answer.results?.[0]?.series?.[0]?.values?.[0] ?? [""];
  return found.reduce((sum, count) => sum + count, 0);
}

async function influxQuery(url: string, q: string): Promise<unknown> {
  const response = await fetch(`${url}/query?${new URLSearchParams({ db: INFLUX_DATABASE, q })}`);
  return await response.json();
}
