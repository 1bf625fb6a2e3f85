/**
 * The operator's view of the audit log:
 *
 *   npm run audit -- verify [--head <lines>:<hash>]   reads every line; exit code 1 and an index when one is not right
 *   npm run audit -- list [--from <index>] [--json]   the lines themselves, oldest first
 *
 * `verify` compares the log with every head that the erasure journal has noted, and with those given as
 * `--head`: so it shows that the log was not emptied or replaced by an earlier state of itself.
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import type { AuditHead, AuditRecord } from "../model/audit.ts";
import { GatewayError } from "../model/errors.ts";
import { readKeys } from "../platform/key-files.ts";
import { journalKey } from "../rights/journal-format.ts";
import { readJournals } from "../rights/journal-reading.ts";
import {
  COMMON_OPTIONS,
  COMMON_USAGE,
  type Operator,
  runCommand,
  UsageError,
  withOperator,
} from "./operator-command.ts";

const USAGE = `Usage: npm run audit -- <command> [options]

  verify                   every line is there, unchanged and in its place
    --head <lines>:<hash>  also this head, noted down earlier
    --journal <file>       erasure journal; once for each gateway. Default: backup.journalFile
  list                     the lines, oldest first
    --from <index>         from this line on
    --json                 as JSON
${COMMON_USAGE}`;
const OPTIONS = {
  ...COMMON_OPTIONS,
  head: { type: "string" },
  journal: { type: "string", multiple: true },
  from: { type: "string" },
  json: { type: "boolean" },
} as const;
const HEAD = /^(\d{1,15}):([A-Za-z0-9_-]{43})$/;
const PAGE = 500;

interface Options {
  readonly head?: string | undefined;
  readonly journal?: string[] | undefined;
  readonly from?: string | undefined;
  readonly json?: boolean | undefined;
}

async function verify(operator: Operator, options: Options): Promise<number> {
  const given = options.head === undefined ? [] : [headOf(options.head)];
  const noted = await notedHeads(operator, options.journal);
  const verdict = await operator.acts.log.verify([...given, ...(noted ?? [])]);
  if (!verdict.intact) {
    say(`broken at line ${verdict.index}: ${verdict.problem}`);
    return 1;
  }
  say(`intact: lines ${verdict.first} to ${verdict.head.next - 1}, head ${verdict.head.next}:${verdict.head.hash}`);
  for (const { from, to } of verdict.lost) say(`lost before the restore at line ${from}: lines ${from} to ${to - 1}`);
  if (noted === undefined) say("not compared with an erasure journal: there is none at backup.journalFile");
  return 0;
}

/** `undefined` when no journal was named and none is in its usual place. Throws JOURNAL_INVALID. */
async function notedHeads({ config }: Operator, named?: string[]): Promise<readonly AuditHead[] | undefined> {
  const key = journalKey(readKeys(config.keys.dir, { create: false }).lookup);
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

function headOf(text: string): AuditHead {
  const [, next, hash] = HEAD.exec(text) ?? [];
  if (next === undefined || hash === undefined) throw new UsageError();
  return { next: Number(next), hash };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const command = positionals[0] === "verify" ? verify : positionals[0] === "list" ? list : undefined;
  if (command === undefined || positionals.length > 1) throw new UsageError();
  return withOperator(values, (operator) => command(operator, values));
}

runCommand("audit", USAGE, main);
