/**
 * What has been kept long enough, told or deleted by hand; the gateway does the same by itself.
 *
 *   npm run retention -- --dry-run [--json]   what would go now, and changes nothing
 *   npm run retention [-- --json]             lets it go; exit code 1 when some of it could not be reached
 */
import { parseArgs } from "node:util";
import { loadConfig } from "./config/load.ts";
import type { Config } from "./config/schema.ts";
import { LedgerHolds } from "./consent/holds.ts";
import { Keyring } from "./deidentify/keyring.ts";
import { DAY_MS } from "./model/durations.ts";
import { GatewayError } from "./model/errors.ts";
import type { Log } from "./model/log.ts";
import { readKeys } from "./platform/key-files.ts";
import { connectRedis } from "./platform/redis.ts";
import { redisKeys } from "./platform/redis-keys.ts";
import { DeadLetters } from "./queue/dead-letters.ts";
import { Envelope } from "./queue/envelope.ts";
import { AuditLog } from "./rights/audit.ts";
import { auditKey } from "./rights/audit-chain.ts";
import { HeldSubjects } from "./rights/held-subjects.ts";
import type { RetentionResult } from "./rights/retention.ts";
import { RowRetention } from "./sinks/row-retention.ts";
import { createRetention } from "./wiring/retention.ts";

const USAGE = `Usage: npm run retention -- [--dry-run] [--json] [--config <file.yaml>]

  --dry-run   only say what would go
`;

/** What fails is told line by line. */
const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { config: { type: "string" }, "dry-run": { type: "boolean" }, json: { type: "boolean" } },
  });
  const config = loadConfig({ file: values.config, env: process.env });
  const secrets = readKeys(config.keys.dir, { create: false });
  const keys = redisKeys(config.redis.keyPrefix);
  const redis = connectRedis(config.redis.url, "store", config.redis.commandTimeoutMs);
  const rows = new RowRetention(config.sinks.influx);
  try {
    await redis.connect();
    rows.start();
    const ledgerHolds = new LedgerHolds(redis, keys, { now: Date.now });
    const auditLog = new AuditLog(redis, keys, { keys: [auditKey(secrets.lookup)], now: Date.now });
    const retention = createRetention({
      config,
      redis,
      keys,
      keyring: new Keyring({
        masterKey: secrets.master,
        otherMasterKeys: secrets.nextMaster === undefined ? [] : [secrets.nextMaster],
        pepper: secrets.pepper,
      }),
      rows,
      deadLetters: new DeadLetters(redis, keys, new Envelope(secrets.queue), {
        maxBytes: config.queue.deadLetterBytes,
      }),
      holds: new HeldSubjects(redis, keys, (tag) => ledgerHolds.standing(tag)),
      auditLog,
      audit: (act) => auditLog.append(act),
      log: SILENT,
    });
    const never = new AbortController().signal;
    const results = values["dry-run"] ? await retention.plan(never) : await retention.run("operator", never);
    for (const result of results) process.stdout.write(`${values.json ? JSON.stringify(result) : describe(result)}\n`);
    if (!values.json) process.stdout.write(`${epochNote(config)}\n`);
    return results.some(({ state }) => state === "failed") ? 1 : 0;
  } finally {
    rows.stop();
    redis.disconnect();
  }
}

function describe({ kind, state, count }: RetentionResult): string {
  return `${kind.padEnd(16)} ${state.padEnd(11)} ${count ?? "unknown"}`;
}

/** A name of an epoch stands nowhere but in its rows, so it goes with them. */
function epochNote({ deidentify, retention }: Config): string {
  const oldest = Date.now() - Math.max(retention.deviceStatusDays, retention.deviceLocationDays) * DAY_MS;
  return `no name of a device is left from before epoch ${Math.floor(oldest / (deidentify.epochDays * DAY_MS))}`;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const usage = error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    const reason = error instanceof GatewayError ? error.message : "retention: Redis is not reachable";
    process.stderr.write(usage ? USAGE : `${reason}\n`);
    process.exit(usage ? 2 : 1);
  },
);
