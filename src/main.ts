/**
 * The process: reads flags and configuration, starts the gateway, waits for a signal, stops it, and exits with 0
 * (stopped on request), 1 (fault) or 2 (wrong usage or configuration). On a terminal the log is in words, and ends its start
 * with the addresses; everywhere else it is JSON.
 */
import "./platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { loadConfig } from "./config/load.ts";
import type { Config } from "./config/schema.ts";
import { createGateway } from "./gateway.ts";
import { exitCodeOf, GatewayError } from "./model/errors.ts";
import type { Log } from "./model/log.ts";
import { createLog } from "./observe/logger.ts";
import { readableLines } from "./observe/readable-log.ts";
import { keysAreMissing, readKeys } from "./platform/keys/files.ts";
import { keyspaceOf } from "./platform/keyspace.ts";
import { connectRedis } from "./platform/redis.ts";
import { refuseNewKeys } from "./rights/backup/installation.ts";
import { addressLines, hearListeners } from "./wiring/addresses.ts";

const USAGE = `Usage: consentry [--config <file.yaml>]

  --config <file>       configuration; every option can also come from the environment (docs/configuration.md)
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { config: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const config = loadConfig({ file: values.config, env: process.env });
  const { dir, create } = config.keys;
  if (create && keysAreMissing(dir)) await refuseToOrphan(config);
  const print = (text: string): void => void process.stdout.write(text);
  const isTerminal = process.stdout.isTTY === true;
  const written = createLog(config.observe.logLevel, isTerminal ? readableLines(print) : undefined);
  const { log, listeners } = hearListeners(written);
  return await run(log, config, readKeys(dir, { create }), () => {
    if (isTerminal) print(`\n${addressLines(config, listeners).join("\n")}\n\nCtrl-C stops it.\n`);
  });
}

/** New keys cannot find the records of an existing installation: only an empty Redis may get them. */
async function refuseToOrphan({ redis: { url, keyPrefix, commandTimeoutMs } }: Config): Promise<void> {
  const redis = connectRedis(url, "store", commandTimeoutMs);
  try {
    await redis.connect().catch(() => {
      throw new GatewayError("REDIS_UNREACHABLE");
    });
    await refuseNewKeys(redis, keyspaceOf(keyPrefix));
  } finally {
    redis.disconnect();
  }
}

async function run(log: Log, config: Config, keys: ReturnType<typeof readKeys>, ready: () => void): Promise<number> {
  const stopping = new AbortController();
  let exitCode = 0;
  const ended = new Promise<void>((resolve) => {
    stopping.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const fatal = (error: Error): void => {
    exitCode = 1;
    log.error("exiting so that the supervisor restarts it", { code: codeOf(error), stage: "process" });
    stopping.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      log.info("stopping", { signal });
      stopping.abort();
    });
  }
  // The message of an uncaught error may contain anything: only its code is logged.
  process.on("uncaughtException", fatal);
  process.on("unhandledRejection", (reason) => fatal(reason instanceof Error ? reason : new Error("rejection")));

  const gateway = createGateway(config, keys, log, fatal);
  process.on("SIGHUP", () => gateway.reloadKeys());
  try {
    await gateway.start(stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted && exitCode === 0) return 0;
    throw error;
  }
  log.info("ready", { durability: gateway.durability ?? "none" });
  ready();
  await ended;
  await gateway.stop();
  log.info("stopped");
  return exitCode;
}

function codeOf(error: unknown): string {
  return error instanceof GatewayError ? error.code : error instanceof Error ? error.name : "FAULT";
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    // The message of a GatewayError contains only options and codes, so it may be shown; others may not.
    const known = error instanceof GatewayError;
    const usage = error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    process.stderr.write(known ? `${error.message}\n` : usage ? USAGE : `consentry: ${codeOf(error)}\n`);
    process.exit(usage ? 2 : known ? exitCodeOf(error) : 1);
  },
);
