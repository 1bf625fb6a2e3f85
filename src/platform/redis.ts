/**
 * Connections to Redis, by the role they play. An outage must surface as a failed command at once
 * where someone waits for the answer, and must never end the process.
 */
import { Redis, type RedisOptions } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import { HeldRedis } from "./held-redis.ts";
import { writeRefusal } from "./write-refusal.ts";

export type RedisRole = "producer" | "worker" | "store" | "subscriber";

/** Longer than any healthy fsync, shorter than what a device or a person waits for. */
const COMMAND_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RECONNECT_DELAY_MS = 1_000;

/** Fails at once while Redis is away; a command whose fate is unknown is not sent twice behind the caller's back. */
const FAIL_FAST = {
  enableOfflineQueue: false,
  // Commands under way fail with the connection. With 1, ioredis fails them at every second loss only, and after a
  // quick reconnect they would hang until their timeout.
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  commandTimeout: COMMAND_TIMEOUT_MS,
} satisfies RedisOptions;

const OPTIONS = {
  producer: FAIL_FAST,
  store: FAIL_FAST,
  // Blocking reads wait as long as they must, over any number of reconnections.
  worker: { maxRetriesPerRequest: null },
  subscriber: { maxRetriesPerRequest: null, autoResubscribe: true },
} satisfies Record<RedisRole, RedisOptions>;

/**
 * A connection that is not opened yet: call `connect()`. Reconnects for ever by itself.
 * Connection errors are swallowed here because each command reports its own failure.
 */
export function connectRedis(url: string, role: RedisRole, commandTimeoutMs = COMMAND_TIMEOUT_MS): Redis {
  return opened(Redis, url, role, commandTimeoutMs);
}

/** The same of the role of the store, through which nothing goes while it is held. */
export function connectHeldRedis(url: string, commandTimeoutMs = COMMAND_TIMEOUT_MS): HeldRedis {
  return opened(HeldRedis, url, "store", commandTimeoutMs);
}

function opened<T extends Redis>(
  Connection: new (url: string, options: RedisOptions) => T,
  url: string,
  role: RedisRole,
  commandTimeoutMs: number,
): T {
  const redis = new Connection(url, {
    ...OPTIONS[role],
    ...("commandTimeout" in OPTIONS[role] && { commandTimeout: commandTimeoutMs }),
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (times) => Math.min(times * 50, MAX_RECONNECT_DELAY_MS),
    disableClientInfo: true,
  });
  // Without a listener a lost connection would be an uncaught exception.
  redis.on("error", () => {});
  return redis;
}

/**
 * What may be said of a Redis error. The error object itself carries the command and its arguments,
 * so it is never logged, never wrapped as a cause.
 */
export function redisErrorCode(error: unknown): string {
  if (!(error instanceof Error)) return "UNKNOWN";
  if ("code" in error && typeof error.code === "string" && /^E[A-Z_]{2,20}$/.test(error.code)) return error.code;
  if (error.name === "MaxRetriesPerRequestError") return "MAX_RETRIES";
  if (error.message === "Command timed out") return "TIMEOUT";
  if (/^(Connection is closed|Stream isn't writeable)/.test(error.message)) return "NOT_CONNECTED";
  // Redis opens a reply error with a word in capitals: OOM, READONLY, NOAUTH, WRONGTYPE, …
  const reply = /^([A-Z]{2,20}) /.exec(error.message);
  return error.name === "ReplyError" && reply?.[1] !== undefined ? reply[1] : "UNKNOWN";
}

/** What stands under the name is of another type than everything we write there: somebody else's hand, or a damaged file. */
export function isMisshapen(error: unknown): boolean {
  return redisErrorCode(error) === "WRONGTYPE";
}

/**
 * Runs a consent read or write; whatever Redis throws becomes `NOT_WRITABLE` when it answers and refuses, else
 * `REDIS_UNAVAILABLE`, with its code alone.
 */
export async function orRedisUnavailable<T>(command: () => Promise<T>): Promise<T> {
  try {
    return await command();
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const refusal = writeRefusal(error);
    throw refusal === undefined || refusal === "ERR"
      ? new GatewayError("REDIS_UNAVAILABLE", redisErrorCode(error))
      : new GatewayError("NOT_WRITABLE", refusal);
  }
}
