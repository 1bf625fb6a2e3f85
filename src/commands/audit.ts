/**
 * The operator's command for the audit log:
 *
 *   npm run audit -- verify [--head <lines>:<hash>]   checks all lines; exit code 1 if one is wrong, with its index
 *   npm run audit -- list [--from <index>] [--json]   the lines, oldest first
 *   npm run audit -- repair [--left <file>]           makes a broken log writable again, and records that
 *
 * `verify` compares the log with every head recorded in the erasure journal, and with those given as `--head`. So it
 * detects that the log was emptied or replaced by an earlier state.
 */
import "../platform/no-debug-output.ts";
import { open } from "node:fs/promises";
import { parseArgs } from "node:util";
import type { AuditHead, AuditRecord, AuditRepair } from "../model/audit.ts";
import { GatewayError } from "../model/errors.ts";
import { readKeysOf } from "../platform/keys/files.ts";
import { journalKey } from "../rights/journal/format.ts";
import { readJournals } from "../rights/journal/reading.ts";
import {
  COMMON_OPTIONS,
  COMMON_USAGE,
  type Operator,
  runCommand,
  UsageError,
  withOperator,
} from "./operator-command.ts";
import { isUnread, say } from "./output.ts";

const USAGE = `Usage: npm run audit -- <command> [options]

  verify                   checks that every line is present, unchanged and in order
    --head <lines>:<hash>  also this head, recorded earlier
    --journal <file>       erasure journal; once for each gateway. Default: backup.journalFile
  list                     the lines, oldest first
    --from <index>         from this line on
    --json                 as JSON
  repair                   repairs a log that verify finds broken: keeps all authentic lines and records in the log
                           what was found. Gateways may keep running
    --left <file>          writes the lines that are not authentic to this new file before they are removed
    --head, --journal      as for verify
${COMMON_USAGE}`;
const OPTIONS = {
  ...COMMON_OPTIONS,
  head: { type: "string" },
  journal: { type: "string", multiple: true },
  from: { type: "string" },
  json: { type: "boolean" },
  left: { type: "string" },
} as const;
const HEAD = /^(\d{1,15}):([A-Za-z0-9_-]{43})$/;
const PAGE = 500;
const NOT_COMPARED = "not compared with an erasure journal: there is none at backup.journalFile";

interface Options {
  readonly head?: string | undefined;
  readonly journal?: string[] | undefined;
  readonly from?: string | undefined;
  readonly json?: boolean | undefined;
  readonly left?: string | undefined;
}

async function verify(operator: Operator, options: Options): Promise<number> {
  const { heads, compared } = await knownHeads(operator, options);
  const verdict = await operator.acts.log.verify(heads);
  if (!verdict.intact) {
    say(`broken at line ${verdict.index}: ${verdict.problem}`);
    return 1;
  }
  say(`intact: lines ${verdict.first} to ${verdict.head.next - 1}, head ${verdict.head.next}:${verdict.head.hash}`);
  for (const { from, to } of verdict.lost) say(`lost before a restore or a repair: lines ${from} to ${to - 1}`);
  for (const repair of verdict.repairs) say(describeRepair(repair));
  if (!compared) say(NOT_COMPARED);
  return 0;
}

async function repair(operator: Operator, options: Options): Promise<number> {
  const { heads, compared } = await knownHeads(operator, options);
  const file = options.left === undefined ? undefined : await open(options.left, "wx", 0o600);
  try {
    const repaired = await operator.acts.repairLog(heads, async (lines) => {
      await file?.writeFile(lines.map((line) => `${line}\n`).join(""));
      await file?.sync();
    });
    say(repaired === undefined ? "intact: there is nothing to repair" : describeRepair(repaired));
    if (!compared) say(NOT_COMPARED);
    return 0;
  } finally {
    await file?.close();
  }
}

function describeRepair({ index, problem, line, kept, again, left }: AuditRepair): string {
  const counts = `${kept} lines kept, ${again} written again after it, ${left} left out`;
  return `repaired at line ${index}: broken from line ${line} on (${problem}); ${counts}`;
}

async function knownHeads(
  operator: Operator,
  { head, journal }: Options,
): Promise<{ readonly heads: readonly AuditHead[]; readonly compared: boolean }> {
  const given = head === undefined ? [] : [headOf(head)];
  const noted = await notedHeads(operator, journal);
  return { heads: [...given, ...(noted ?? [])], compared: noted !== undefined };
}

/** `undefined` when no journal was named and none is at its default path. Throws JOURNAL_INVALID. */
async function notedHeads({ config }: Operator, named?: string[]): Promise<readonly AuditHead[] | undefined> {
  const key = journalKey(readKeysOf(config.keys.dir, ["lookup"]).lookup);
  const question = { key, sinceMs: Number.POSITIVE_INFINITY, anchors: [] };
  try {
    return (await readJournals(named ?? [config.backup.journalFile], question)).audited;
  } catch (error) {
    const missing = error instanceof GatewayError && error.message === "JOURNAL_INVALID: missing";
    if (named === undefined && missing) return undefined;
    throw error;
  }
}

async function list({ acts }: Operator, { from = "0", json }: Options): Promise<number> {
  if (!/^\d{1,15}$/.test(from)) throw new UsageError();
  for (let next = Number(from); ; ) {
    const { records } = await acts.log.list({ from: next, limit: PAGE });
    for (const record of records) say(json ? JSON.stringify(record) : describe(record));
    const last = records.at(-1);
    if (last === undefined || isUnread()) return 0;
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

function headOf(text: string): AuditHead {
  const [, next, hash] = HEAD.exec(text) ?? [];
  if (next === undefined || hash === undefined) throw new UsageError();
  return { next: Number(next), hash };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const command = new Map([
    ["verify", verify],
    ["list", list],
    ["repair", repair],
  ]).get(positionals[0] ?? "");
  if (command === undefined || positionals.length > 1) throw new UsageError();
  return withOperator(values, (operator) => command(operator, values));
}

runCommand("audit", USAGE, main);
