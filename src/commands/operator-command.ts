/** What every operator command needs: configuration, a Redis connection, and readable error messages. */
import type { Redis } from "ioredis";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { ERRORS, exitCodeOf, GatewayError } from "../model/errors.ts";
import { type Keyspace, keyspaceOf } from "../platform/keyspace.ts";
import { connectRedis } from "../platform/redis.ts";
import { requireSchema } from "../platform/schema.ts";
import { holdsInstallation } from "../rights/backup/installation.ts";
import { OperatorActs } from "./operator-acts.ts";

export interface Operator {
  readonly config: Config;
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly acts: OperatorActs;
}

export interface CommonOptions {
  readonly config?: string | undefined;
}

/** For `parseArgs`. */
export const COMMON_OPTIONS = { config: { type: "string" } } as const;
export const COMMON_USAGE = `  --config <file.yaml>     the gateway's configuration
`;

/** Runs `work` with a connection, and ends everything afterwards. Of what another version has stored only an upgrade makes use. */
export async function withOperator<T>(
  options: CommonOptions,
  work: (operator: Operator) => Promise<T>,
  { anySchema = false } = {},
): Promise<T> {
  const config = commandConfig(options.config, process.env);
  const redis = connectRedis(config.redis.url, "store", config.redis.commandTimeoutMs);
  const keyspace = keyspaceOf(config.redis.keyPrefix);
  try {
    await redis.connect();
    if (!anySchema) await requireSchema(redis, keyspace, await holdsInstallation(redis, keyspace));
    return await work({ config, redis, keyspace, acts: new OperatorActs(config, redis, keyspace) });
  } finally {
    redis.disconnect();
  }
}

/** A command serves no HTTP: if the configuration has no token for it, none is required. */
export function commandConfig(file: string | undefined, env: Readonly<Record<string, string | undefined>>): Config {
  const { CONSENTRY_HTTP_TOKEN: token, CONSENTRY_HTTP_TOKEN_FILE: tokenFile } = env;
  const spare = file === undefined && !token && !tokenFile ? { CONSENTRY_HTTP_TOKEN: "-".repeat(64) } : {};
  return loadConfig({ file, env: { ...env, ...spare } });
}

/** Wrong usage: only the usage is printed. */
export class UsageError extends Error {}

/** Ends the process: 0 when `main` returns 0, 1 when it failed, 2 for wrong usage. */
export function runCommand(name: string, usage: string, main: () => Promise<number>): void {
  main().then(
    (code) => process.exit(code),
    (error: unknown) => {
      if (error instanceof GatewayError) {
        process.stderr.write(`${name}: ${error.message} (${ERRORS[error.code].meaning})\n`);
        process.exit(exitCodeOf(error));
      }
      const wrong =
        error instanceof UsageError || (error instanceof TypeError && codeOf(error).startsWith("ERR_PARSE_ARGS"));
      process.stderr.write(wrong ? usage : `${name}: ${codeOf(error)}\n`);
      process.exit(wrong ? 2 : 1);
    },
  );
}

/** Messages of Redis and the file system may contain names and values; their codes do not. */
function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === "string") return code;
  return error instanceof Error && /closed|connect/i.test(error.message) ? "Redis is not reachable" : "failed";
}
