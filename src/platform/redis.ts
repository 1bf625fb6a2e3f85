/**
 * Connections to Redis by their role. An outage must appear at once as a failed command where a caller waits for the
 * answer, and must never end the process.
 */
import { Redis, type RedisOptions } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import { HeldRedis } from "./held-redis.ts";
import { writeRefusal } from "./write-refusal.ts";

export type RedisRole = "producer" | "worker" | "store" | "subscriber";

/** Longer than any healthy fsync, shorter than the patience of a device or a person. */
const COMMAND_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RECONNECT_DELAY_MS = 1_000;

/**
 * Fails at once while Redis is down; a command with unknown result is not sent again without the caller's knowledge.
 */
const FAIL_FAST = {
  enableOfflineQueue: false,
  // Commands in progress fail with the connection. With 1, ioredis fails them only at every second loss, and after a
  // quick reconnect they would hang until their timeout.
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  commandTimeout: COMMAND_TIMEOUT_MS,
} satisfies RedisOptions;

const OPTIONS = {
  producer: FAIL_FAST,
  store: FAIL_FAST,
  // Blocking reads wait as long as necessary, over any number of reconnects.
  worker: { maxRetriesPerRequest: null },
  subscriber: { maxRetriesPerRequest: null, autoResubscribe: true },
} satisfies Record<RedisRole, RedisOptions>;

/**
 * A connection that is not open yet: call `connect()`. Reconnects forever by itself. Connection errors are ignored here
 * because each command reports its own failure.
 */
export function connectRedis(url: string, role: RedisRole, commandTimeoutMs = COMMAND_TIMEOUT_MS): Redis {
  return opened(Redis, url, role, commandTimeoutMs);
}

/** The same for the role of the store; no command passes while it is held. */
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
 * The part of a Redis error that may be logged. The error object itself contains the command with its arguments, so it
 * is never logged and never wrapped as a cause.
 */
export function redisErrorCode(error: unknown): string {
  if (!(error instanceof Error)) return "UNKNOWN";
  if ("code" in error && typeof error.code === "string" && /^E[A-Z_]{2,20}$/.test(error.code)) return error.code;
  if (error.name === "MaxRetriesPerRequestError") return "MAX_RETRIES";
  if (error.message === "Command timed out") return "TIMEOUT";
  if (/^(Connection is closed|Stream isn't writeable)/.test(error.message)) return "NOT_CONNECTED";
  // A Redis error reply begins with a word in capitals: OOM, READONLY, NOAUTH, WRONGTYPE, …
  const reply = /^([A-Z]{2,20}) /.exec(error.message);
  return error.name === "ReplyError" && reply?.[1] !== undefined ? reply[1] : "UNKNOWN";
}

/** The value has another type than the gateway writes there: another writer, or a damaged file. */
export function isMisshapen(error: unknown): boolean {
  return redisErrorCode(error) === "WRONGTYPE";
}

/**
 * Runs a consent read or write; any Redis error becomes `NOT_WRITABLE` when Redis answers and refuses, otherwise
 * `REDIS_UNAVAILABLE`, with only its code.
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
