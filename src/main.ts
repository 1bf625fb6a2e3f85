/**
 * The process: reads flags and configuration, starts the gateway, waits for a signal, stops it, and exits with 0
 * (stopped on request), 1 (fault) or 2 (wrong usage or configuration). On a terminal the log is in words, and ends its start
 * with the addresses; everywhere else it is JSON.
 */
import "./platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { type ConfigSource, type Examined, examineConfig, loadConfig } from "./config/load.ts";
import { ConfigFault, inWords } from "./config/problems.ts";
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
import { checkConfiguration } from "./wiring/check.ts";

const USAGE = `Usage: consentry [--config <file.yaml>] [--check]

  --config <file>       configuration; every option can also come from the environment (docs/configuration.md)
  --check               only says whether it is right, files and keys that it names included; opens no port, asks no server
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { config: { type: "string" }, check: { type: "boolean" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const source = { file: values.config, env: process.env };
  if (values.check) return check(source);
  const config = loadConfig(source);
  const { dir, create } = config.keys;
  if (create && keysAreMissing(dir)) await refuseToOrphan(config);
  const print = (text: string): void => void process.stdout.write(text);
  const isTerminal = process.stdout.isTTY === true;
  const written = createLog(config.observe.logLevel, isTerminal ? readableLines(print) : undefined);
  const { log, listeners } = hearListeners(written);
  return await run(log, config, readKeys(dir, { create }), {
    examine: () => examineConfig(source),
    useLogLevel: (level) => written.useLevel(level),
    ready: () => {
      if (isTerminal) print(`\n${addressLines(config, listeners).join("\n")}\n\nCtrl-C stops it.\n`);
    },
  });
}

/** 0 when all is right, else 2 with everything that is wrong, a line each. */
function check(source: ConfigSource): number {
  const problems = checkConfiguration(source);
  if (problems.length === 0) {
    process.stdout.write("The configuration is right, and so are the files and keys that it names.\n");
    return 0;
  }
  for (const line of inWords(problems)) process.stderr.write(`CONFIG_INVALID: ${line}\n`);
  return 2;
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

/** Where the configuration came from, and what is done once the gateway is ready. */
interface Process {
  examine(): Examined;
  useLogLevel(level: Config["observe"]["logLevel"]): void;
  ready(): void;
}

async function run(log: Log, config: Config, keys: ReturnType<typeof readKeys>, own: Process): Promise<number> {
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

  const gateway = createGateway(config, keys, log, fatal, {}, own);
  // While it starts, one is as good as several: it is obeyed as soon as there is something to change.
  let started = false;
  let missed = false;
  process.on("SIGHUP", () => {
    gateway.reloadKeys();
    if (started) void gateway.reload();
    else missed = true;
  });
  try {
    await gateway.start(stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted && exitCode === 0) return 0;
    throw error instanceof ConfigFault ? error.placedBy(own.examine().placeOf) : error;
  }
  log.info("ready", { durability: gateway.durability ?? "none" });
  own.ready();
  started = true;
  if (missed) void gateway.reload();
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
