/** What every operator command needs: configuration, a Redis connection, and readable error messages. */
import type { Redis } from "ioredis";
import { loadSections } from "../config/load.ts";
import type { CommandConfig } from "../config/schema.ts";
import { ERRORS, exitCodeOf, GatewayError } from "../model/errors.ts";
import { type Keyspace, keyspaceOf } from "../platform/keyspace.ts";
import { connectRedis } from "../platform/redis.ts";
import { requireSchema } from "../platform/schema.ts";
import { holdsInstallation } from "../rights/backup/installation.ts";
import { OperatorActs } from "./operator-acts.ts";
import { watchOutput } from "./output.ts";

/** Sections of the configuration that every act needs: where Redis, the keys and the journal are. */
const COMMON = ["redis", "keys", "backup"] as const;
type Section = keyof CommandConfig;

/** With the sections that the command has asked for; of no other one a secret is read. */
export interface Operator<More extends Section = never> {
  readonly config: Pick<CommandConfig, (typeof COMMON)[number] | More>;
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
export async function withOperator<T, More extends Section = never>(
  options: CommonOptions,
  work: (operator: Operator<More>) => Promise<T>,
  { anySchema = false, sections = [] }: { readonly anySchema?: boolean; readonly sections?: readonly More[] } = {},
): Promise<T> {
  const config = loadSections({ file: options.config, env: process.env }, [...COMMON, ...sections]);
  const { redis: at } = config as Pick<CommandConfig, "redis">;
  const redis = connectRedis(at.url, "store", at.commandTimeoutMs);
  const keyspace = keyspaceOf(at.keyPrefix);
  try {
    await redis.connect();
    if (!anySchema) await requireSchema(redis, keyspace, await holdsInstallation(redis, keyspace));
    return await work({ config, redis, keyspace, acts: new OperatorActs(config, redis, keyspace) });
  } finally {
    redis.disconnect();
  }
}

/** Wrong usage: only the usage is printed. */
export class UsageError extends Error {}

/** Ends the process: 0 when `main` returns 0, 1 when it failed, 2 for wrong usage. */
export function runCommand(name: string, usage: string, main: () => Promise<number>): void {
  watchOutput();
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
