/** Connections to Redis, separate by what an outage must mean to their users. */
import type { Config } from "../config/schema.ts";
import { GatewayError } from "../model/errors.ts";
import type { HeldRedis } from "../platform/held-redis.ts";
import type { Part } from "../platform/lifecycle.ts";
import { connectHeldRedis, connectRedis, redisErrorCode } from "../platform/redis.ts";

type Redis = ReturnType<typeof connectRedis>;

export interface Connections {
  readonly store: HeldRedis;
  readonly producer: Redis;
  readonly worker: Redis;
  /** Pub/sub. */
  readonly events: Redis;
  readonly part: Part;
}

export function createConnections({ url, commandTimeoutMs }: Config["redis"]): Connections {
  const store = connectHeldRedis(url, commandTimeoutMs);
  const producer = connectRedis(url, "producer", commandTimeoutMs);
  const worker = connectRedis(url, "worker", commandTimeoutMs);
  const events = connectRedis(url, "subscriber", commandTimeoutMs);
  const all = [store, producer, worker, events];
  return {
    store,
    producer,
    worker,
    events,
    part: {
      name: "redis",
      start: async () => {
        await Promise.all(all.map(connect));
      },
      stop: () => {
        for (const redis of all) redis.disconnect();
      },
    },
  };
}

async function connect(redis: Redis): Promise<void> {
  try {
    await redis.connect();
  } catch (error) {
    throw new GatewayError("REDIS_UNREACHABLE", redisErrorCode(error));
  }
}
