/** What nearly everything is built with. */
import type { Config } from "../config/schema.ts";
import type { Log } from "../model/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Keys } from "../platform/keys/files.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import type { Connections } from "./connections.ts";

export interface Base {
  readonly config: Config;
  readonly secrets: Keys;
  readonly redis: Connections;
  readonly keys: RedisKeys;
  readonly metrics: Metrics;
  readonly log: Log;
}
