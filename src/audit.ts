/**
 * The operator's view of the audit log:
 *
 *   npm run audit -- verify [--head <lines>:<hash>]   reads every line; exit code 1 and an index when one is not right
 *   npm run audit -- list [--from <index>] [--json]   the lines themselves, oldest first
 *
 * `verify` ends with the head of the log. Noted down elsewhere and given back as `--head` it proves that
 * the log was not replaced by an earlier state of itself.
 */
import { parseArgs } from "node:util";
import { loadConfig } from "./config/load.ts";
import type { AuditHead, AuditRecord } from "./model/audit.ts";
import { GatewayError } from "./model/errors.ts";
import { readKeys } from "./platform/key-files.ts";
import { connectRedis } from "./platform/redis.ts";
import { redisKeys } from "./platform/redis-keys.ts";
import { AuditLog } from "./rights/audit.ts";
import { auditKey } from "./rights/audit-chain.ts";

const USAGE = `Usage: npm run audit -- <command> [--config <file.yaml>]

  verify [--head <lines>:<hash>]   every line is there, unchanged and in its place
  list [--from <index>] [--json]   the lines, oldest first
`;
const HEAD = /^(\d{1,15}):([A-Za-z0-9_-]{43})$/;
const PAGE = 500;

interface Options {
  readonly config?: string | undefined;
  readonly head?: string | undefined;
  readonly from?: string | undefined;
  readonly json?: boolean | undefined;
}

async function verify(log: AuditLog, options: Options): Promise<number> {
  const head = options.head === undefined ? undefined : headOf(options.head);
  if (options.head !== undefined && head === undefined) return wrongUsage();
  const verdict = await log.verify(head);
  if (!verdict.intact) {
    say(`broken at line ${verdict.index}: ${verdict.problem}`);
    return 1;
  }
  say(`intact: lines ${verdict.first} to ${verdict.head.next - 1}, head ${verdict.head.next}:${verdict.head.hash}`);
  return 0;
}

async function list(log: AuditLog, options: Options): Promise<number> {
  const from = options.from ?? "0";
  if (!/^\d{1,15}$/.test(from)) return wrongUsage();
  for (let next = Number(from); ; ) {
    const { records } = await log.list({ from: next, limit: PAGE });
    for (const record of records) say(options.json ? JSON.stringify(record) : describe(record));
    const last = records.at(-1);
    if (last === undefined) return 0;
    next = last.index + 1;
  }
}

function describe({ index, at, act, by, outcome, of, subject, device, detail }: AuditRecord): string {
  const about = [subject && `subject=${subject}`, device && `device=${device}`];
  const more = Object.entries(detail ?? {}).map(([name, value]) => `${name}=${value}`);
  const state = outcome === undefined ? undefined : of === undefined ? outcome : `${outcome}(${of})`;
  const words = [index, new Date(at).toISOString(), act, state, `by=${by}`, ...about, ...more];
  return words.filter((word) => word !== undefined).join("  ");
}

function headOf(text: string): AuditHead | undefined {
  const [, next, hash] = HEAD.exec(text) ?? [];
  return next === undefined || hash === undefined ? undefined : { next: Number(next), hash };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function wrongUsage(): number {
  process.stderr.write(USAGE);
  return 2;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      config: { type: "string" },
      head: { type: "string" },
      from: { type: "string" },
      json: { type: "boolean" },
    },
    allowPositionals: true,
  });
  const command = positionals[0] === "verify" ? verify : positionals[0] === "list" ? list : undefined;
  if (command === undefined) return wrongUsage();
  const config = loadConfig({ file: values.config, env: process.env });
  const keys = readKeys(config.keys.dir, { create: false });
  const redis = connectRedis(config.redis.url, "store");
  try {
    await redis.connect();
    const log = new AuditLog(redis, redisKeys(config.redis.keyPrefix), {
      keys: [auditKey(keys.lookup)],
      now: Date.now,
    });
    return await command(log, values);
  } finally {
    redis.disconnect();
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const usage = error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    const reason = error instanceof GatewayError ? error.message : "audit: Redis is not reachable";
    process.stderr.write(usage ? USAGE : `${reason}\n`);
    process.exit(usage ? 2 : 1);
  },
);
