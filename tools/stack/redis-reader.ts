/** Reads out everything a Redis holds: every database, key, value and field, and the slow log, which keeps arguments. */
import { Redis } from "ioredis";

export interface Chunk {
  readonly where: string;
  readonly bytes: Buffer;
}

export async function* redisChunks(url: string): AsyncGenerator<Chunk> {
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1 });
  redis.on("error", () => {});
  await redis.connect();
  try {
    for (const database of await databasesInUse(redis)) {
      await redis.select(database);
      yield* keysAndValues(redis);
    }
    yield { where: "redis slow log", bytes: flatten(await redis.callBuffer("SLOWLOG", "GET", "1000")) };
    yield { where: "redis client list", bytes: flatten(await redis.callBuffer("CLIENT", "LIST")) };
  } finally {
    redis.disconnect();
  }
}

async function databasesInUse(redis: Redis): Promise<number[]> {
  const keyspace = await redis.info("keyspace");
  return [...keyspace.matchAll(/^db(\d+):/gm)].map((match) => Number(match[1]));
}

async function* keysAndValues(redis: Redis): AsyncGenerator<Chunk> {
  let cursor = "0";
  do {
    const [next, keys] = await redis.scanBuffer(cursor, "COUNT", 500);
    cursor = next.toString();
    for (const key of keys) {
      const type = await redis.type(key);
      yield { where: "redis key name", bytes: key };
      const command = READ[type];
      if (command === undefined) throw new Error(`no way to read a Redis value of type ${type}`);
      const [name, ...rest] = command;
      yield { where: `redis ${type} value`, bytes: flatten(await redis.callBuffer(name, key, ...rest)) };
    }
  } while (cursor !== "0");
}

/** `none`: gone between SCAN and TYPE. */
const READ: Readonly<Record<string, readonly [string, ...string[]]>> = {
  string: ["GET"],
  hash: ["HGETALL"],
  list: ["LRANGE", "0", "-1"],
  set: ["SMEMBERS"],
  zset: ["ZRANGE", "0", "-1", "WITHSCORES"],
  stream: ["XRANGE", "-", "+"],
  none: ["EXISTS"],
};

/** A reply of any depth as its leaves, a newline between two. */
function flatten(reply: unknown): Buffer {
  const leaves: Buffer[] = [];
  const visit = (value: unknown) => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    else if (Buffer.isBuffer(value)) leaves.push(value, NEWLINE);
    else if (value !== null && value !== undefined) leaves.push(Buffer.from(String(value)), NEWLINE);
  };
  visit(reply);
  return Buffer.concat(leaves);
}

const NEWLINE = Buffer.from("\n");
