/** A fresh Redis (fsync on every write) and a fresh InfluxDB for one scenario, both private. */
import { join } from "node:path";
import { INFLUX_DATABASE, startInflux, startRedis } from "../tools/private-servers/services.ts";

export interface BenchServers {
  readonly redisUrl: string;
  readonly redisPid: number;
  readonly influxUrl: string;
  readonly influxPid: number;
  readonly database: string;
  /** Points in `device_status`, as InfluxDB itself counts them. */
  rows(): Promise<number>;
  stop(): Promise<void>;
}

export async function startServers(dir: string): Promise<BenchServers> {
  const say = () => {};
  const redis = await startRedis({ dir: join(dir, "redis"), say });
  const influx = await startInflux({ dir: join(dir, "influxdb"), say }).catch(async (error: unknown) => {
    await redis.stop();
    throw error;
  });
  return {
    redisUrl: redis.url,
    redisPid: redis.pid,
    influxUrl: influx.url,
    influxPid: influx.pid,
    database: INFLUX_DATABASE,
    rows: () => countRows(influx.url),
    stop: async () => {
      await Promise.all([redis.stop(), influx.stop()]);
    },
  };
}

/** Every message of the bench carries `battery`, so counting that field counts messages. */
async function countRows(url: string): Promise<number> {
  const query = new URLSearchParams({ db: INFLUX_DATABASE, q: "SELECT COUNT(battery) FROM device_status" });
  const response = await fetch(`${url}/query?${query}`);
  const answer = (await response.json()) as { results?: { series?: { values?: [string, number][] }[] }[] };
  return answer.results?.[0]?.series?.[0]?.values?.[0]?.[1] ?? 0;
}
