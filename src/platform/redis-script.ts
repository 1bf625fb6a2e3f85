/** Lua scripts as named values, sent once and then called by their hash (EVALSHA). */
import type { Redis } from "ioredis";

export interface RedisScript {
  /** Unique among all scripts; becomes a command of the connection. */
  readonly name: string;
  /** Opens with a comment that states purpose, KEYS, ARGV and reply. */
  readonly lua: string;
}

type Command = (keyCount: number, ...keysAndArguments: (string | number)[]) => Promise<unknown>;

/** Runs the script; the reply is the script's own. Rejects with the raw Redis error: reduce it before logging. */
export function runScript(
  redis: Redis,
  script: RedisScript,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  const commands = redis as unknown as Record<string, Command | undefined>;
  if (commands[script.name] === undefined) redis.defineCommand(script.name, { lua: script.lua });
  const command = commands[script.name];
  if (command === undefined) return Promise.reject(new Error("script was not defined"));
  return command.call(redis, keys.length, ...keys, ...args);
}
