/**
 * What has been kept long enough, told or deleted by hand; the gateway does the same by itself.
 *
 *   npm run retention -- --dry-run [--json]   what would go now, and changes nothing
 *   npm run retention [-- --json]             lets it go; exit code 1 when some of it could not be reached
 */
import { parseArgs } from "node:util";
import { loadConfig } from "./config/load.ts";
import { LedgerHolds } from "./consent/holds.ts";
import { SubjectErasure } from "./consent/subject-erasure.ts";
import { Keyring } from "./deidentify/keyring.ts";
import { GatewayError } from "./model/errors.ts";
import { createLog } from "./observe/logger.ts";
import { readKeys } from "./platform/key-files.ts";
import { connectRedis } from "./platform/redis.ts";
import { redisKeys } from "./platform/redis-keys.ts";
import { DeadLetters } from "./queue/dead-letters.ts";
import { Envelope } from "./queue/envelope.ts";
import { createRetention } from "./retention-wiring.ts";
import { AuditLog } from "./rights/audit.ts";
import { auditKey } from "./rights/audit-chain.ts";
import type { RetentionResult } from "./rights/retention.ts";
import { RowRetention } from "./sinks/row-retention.ts";

const USAGE = `Usage: npm run retention -- [--dry-run] [--json] [--config <file.yaml>]

  --dry-run   only say what would go
`;

const DAY_MS = 86_400_000;

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
    const auditLog = new AuditLog(redis, keys, { keys: [auditKey(secrets.master)], now: Date.now });
    const retention = createRetention({
      config,
      redis,
      keys,
      keyring: new Keyring({ masterKey: secrets.master, pepper: secrets.pepper }),
      rows,
      deadLetters: new DeadLetters(redis, keys, new Envelope(secrets.queue)),
      holds: heldNow(new LedgerHolds(redis, keys, { now: Date.now }), () => redis.zrange(keys.heldSubjects, "0", "-1")),
      auditLog,
      audit: (act) => auditLog.append(act),
      purgeStored: undefined,
      log: createLog("silent"),
    });
    const never = new AbortController().signal;
    const results = values["dry-run"] ? await retention.plan(never) : await retention.run("operator", never);
    for (const result of results) process.stdout.write(`${values.json ? JSON.stringify(result) : describe(result)}\n`);
    if (!values.json && values["dry-run"]) process.stdout.write(`${epochNote(config)}\n`);
    return results.some(({ state }) => state === "failed") ? 1 : 0;
  } finally {
    rows.stop();
    redis.disconnect();
  }
}
